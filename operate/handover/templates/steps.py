"""Sample steps. Each reads its credentials with the job identity. Replace the bodies by your own.

python steps.py                       lists names and keys
python steps.py prepare DATA          writes into the folder DATA
python steps.py train DATA MODEL      reads DATA, writes into MODEL
python steps.py register MODEL        reads MODEL
"""

import pathlib
import sys

from vault_credentials import read_credentials

step, *folders = sys.argv[1:] or ["job"]
credentials = read_credentials()
for name, credential in credentials.items():
    print(f"{step}: {name} has {', '.join(credential)}")  # names of keys, never a value

for folder in folders[-1:] if step in ("prepare", "train") else []:
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    (pathlib.Path(folder) / f"{step}.txt").write_text("done\n")
for folder in folders[:1] if step in ("train", "register") else []:
    print(f"{step}: reads {sorted(path.name for path in pathlib.Path(folder).iterdir())}")
