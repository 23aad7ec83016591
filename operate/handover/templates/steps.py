"""Sample steps. Each reads its credentials with the job identity. Put your own work in their place.

python steps.py prepare DATA          writes into the folder DATA
python steps.py train DATA MODEL      reads DATA, writes into MODEL
python steps.py register MODEL        reads MODEL
"""

import pathlib
import sys

from vault_credentials import read_credentials

# What this script needs, by name: it goes on when a credential is removed that is not among it.
CREDENTIALS = ["<<.firstCredential>>"]

step, *folders = sys.argv[1:]
credentials = read_credentials(*CREDENTIALS)
for name, credential in credentials.items():
    print(f"{step}: {name} has {', '.join(credential)}")  # names of keys, never a value

if step in ("prepare", "train"):
    written = pathlib.Path(folders[-1])
    written.mkdir(parents=True, exist_ok=True)
    (written / f"{step}.txt").write_text("done\n")
if step in ("train", "register"):
    read = pathlib.Path(folders[0])
    print(f"{step}: reads {sorted(path.name for path in read.iterdir())}")
