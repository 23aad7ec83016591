"""Load a hand-over folder with Microsoft's azure-ai-ml, and print as JSON what would be sent.

load.py FOLDER
"""

import json
import logging
import os
import sys
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import azure.ai.ml as ml  # noqa: E402
from azure.ai.ml._utils._asset_utils import AmlIgnoreFile  # noqa: E402
from azure.ai.ml._utils.utils import load_yaml  # noqa: E402
from azure.ai.ml.entities import JobSchedule  # noqa: E402


def identity(node):
    """The identity as its kind and client id, or None."""
    given = node.identity
    if given is None:
        return None
    return {"kind": type(given).__name__, "client_id": getattr(given, "client_id", None)}


def step(node):
    """What a step sends that matters for reading credentials."""
    kind = type(node).__name__
    return {
        "kind": kind,
        "compute": node.compute,
        "environment_variables": dict(node.environment_variables),
        "identity": identity(node) if kind == "Command" else None,
    }


def pipeline(job):
    """The steps of a pipeline, once it has validated itself without asking Azure."""
    problems = job._customized_validate()
    if not problems.passed:
        raise SystemExit(f"{job.display_name}: {problems.error_messages}")
    return {
        "default_compute": job.settings.default_compute,
        "steps": {name: step(node) for name, node in job.jobs.items()},
    }


def uploaded(folder):
    """The files that a job of this folder takes along."""
    ignored = AmlIgnoreFile(folder)
    found = []
    for above, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(above, name)
            if not ignored.is_file_excluded(path):
                found.append(os.path.relpath(path, folder))
    return sorted(found)


def main():
    folder = os.path.abspath(sys.argv[1])
    os.chdir(folder)
    endpoint = ml.load_online_endpoint("endpoint.yml")
    deployment = ml.load_online_deployment("deployment.yml")
    batch = ml.load_batch_deployment("batch-deployment.yml")
    schedule = JobSchedule._load(yaml_path="schedule.yml", data=load_yaml("schedule.yml"))
    job = None
    if "compute" in load_yaml("job.yml"):  # this version knows no job without one
        job = step(ml.load_job("job.yml"))
    json.dump(
        {
            "job": job,
            "pipeline": pipeline(ml.load_job("pipeline.yml")),
            "component-pipeline": pipeline(ml.load_job("component-pipeline.yml")),
            "parallel": pipeline(ml.load_job("parallel.yml")),
            "component": ml.load_component("component.yml").name,
            "schedule": pipeline(schedule.create_job),
            "endpoint": {
                "name": endpoint.name,
                "public_network_access": endpoint.public_network_access,
                "identities": [
                    each.resource_id for each in endpoint.identity.user_assigned_identities
                ],
            },
            "deployment": {
                "endpoint": deployment.endpoint_name,
                "size": deployment.instance_type,
                "environment_variables": dict(deployment.environment_variables),
            },
            "batch-endpoint": ml.load_batch_endpoint("batch-endpoint.yml").name,
            "batch-deployment": {
                "endpoint": batch.endpoint_name,
                "compute": batch.compute,
                "script": batch.code_configuration.scoring_script,
                "environment_variables": dict(batch.environment_variables),
            },
            "uploaded": uploaded(folder),
        },
        sys.stdout,
    )


main()
