"""Starts a node's member and brings it into the cluster by itself, as kubeadm does: for a test.

The first node starts the cluster. Any other asks a member that is there already to add it as a
learner, starts it with the list that it is given, and has it promoted. Members are named after the
nodes. In place of a load balancer, the addresses of the nodes are known, and in place of the person
who says which node is the first, a directory that only one can make.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ETCD, SHARED, *ADDRESSES = sys.argv[1:]
FIRST = Path(SHARED, "first")


def metadata(name: str) -> str:
    service = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"]
    seconds = {"X-aws-ec2-metadata-token-ttl-seconds": "300"}
    asked = urllib.request.Request(f"{service}/latest/api/token", method="PUT", headers=seconds)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        token = {"X-aws-ec2-metadata-token": answer.read().decode()}
    url = f"{service}/latest/meta-data/{name}"
    with urllib.request.urlopen(urllib.request.Request(url, headers=token), timeout=10) as answer:
        return answer.read().decode()


def ask(address: str, path: str, body: dict) -> dict:
    url = f"http://{address}:2379/v3/cluster/member/{path}"
    asked = urllib.request.Request(url, json.dumps(body).encode())
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return json.load(answer)


def ask_anybody(own: str, path: str, body: dict, process: subprocess.Popen | None = None) -> dict:
    """What the first member that does not refuse answers; kubeadm keeps asking, too."""
    while process is None or process.poll() is None:
        for address in ADDRESSES:
            if address == own:
                continue
            try:
                return ask(address, path, body)
            except (urllib.error.HTTPError, OSError) as error:
                print(f"{address}: {error}", flush=True)
        time.sleep(0.3)
    sys.exit(f"etcd ended with {process.returncode}")


def start(name: str, address: str, state: str, members: list[str]) -> subprocess.Popen:
    peer_url, client_url = f"http://{address}:2380", f"http://{address}:2379"
    settings = {
        "name": name,
        "data-dir": f"{os.environ['QUORATE_INSTANCE_ROOT']}/data",
        "listen-peer-urls": peer_url,
        "initial-advertise-peer-urls": peer_url,
        "listen-client-urls": client_url,
        "advertise-client-urls": client_url,
        "initial-cluster": ",".join(members),
        "initial-cluster-state": state,
    }
    # What tells etcdctl, which the function may call by commands, where the member serves clients.
    Path("etcd.env").write_text(f"ETCD_ADVERTISE_CLIENT_URLS={client_url}\n", encoding="utf-8")
    options = [f"--{key}={value}" for key, value in settings.items()]
    return subprocess.Popen([ETCD, *options])


def main() -> None:
    address = metadata("local-ipv4")
    name = f"node-{address.replace('.', '-')}"
    peer_url = f"http://{address}:2380"
    try:
        FIRST.mkdir()
    except FileExistsError:
        added = ask_anybody(address, "add", {"peerURLs": [peer_url], "isLearner": True})
        others = [
            f"{member['name']}={url}"
            for member in added["members"]
            if member.get("name")
            for url in member["peerURLs"]
        ]
        etcd = start(name, address, "existing", [*others, f"{name}={peer_url}"])
        ask_anybody(address, "promote", {"ID": added["member"]["ID"]}, etcd)
        print("promoted", flush=True)
    else:
        etcd = start(name, address, "new", [f"{name}={peer_url}"])
    sys.exit(etcd.wait())


if __name__ == "__main__":
    main()
