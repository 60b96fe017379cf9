"""What the tests of the function share: the variables it needs, a tick, and a service for its secrets."""

from botocore.exceptions import ClientError

REQUIRED = {
    "QUORATE_CLUSTER": "main",
    "QUORATE_GROUP": "etcd",
    "QUORATE_LAUNCH_HOOK": "launching",
    "QUORATE_TERMINATE_HOOK": "terminating",
    "QUORATE_TABLE": "table",
    "QUORATE_PARAMETER_PREFIX": "/quorate",
    "QUORATE_DEAD_LETTER_QUEUE_URL": "https://queue.example/dead.fifo",
}
CERTIFICATE = {"ca": "the authority", "certificate": "the certificate", "key": "the private key"}
TICK = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


class SecretsManager:
    """Stands for the service: has one secret, while it is allowed to be read."""

    def __init__(self, value):
        self.value = value
        self.allowed = True
        self.calls = 0

    def get_secret_value(self, *, SecretId):  # noqa: N803 -- as boto3 has it
        self.calls += 1
        if not self.allowed:
            error = {"Code": "AccessDeniedException", "Message": f"not {SecretId}"}
            raise ClientError({"Error": error}, "GetSecretValue")
        return {"SecretString": self.value}


class Queue:
    """Stands for SQS, and notes what it is sent."""

    def __init__(self):
        self.bodies = []

    def send_message(self, *, MessageBody, **_):  # noqa: N803 -- as boto3 has it
        self.bodies.append(MessageBody)
