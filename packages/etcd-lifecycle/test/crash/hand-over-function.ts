import { execFileSync } from 'node:child_process';
import type { Ministack } from '@quorate/test-harness';

const NAME = 'hand-over';

/** Leaves a trace of each instance that it was called for. */
const CODE = `
import boto3

def handler(event, context):
    boto3.client("ssm").put_parameter(
        Name=f"/hand-over/{event['instanceId']}", Value=event["deadline"], Type="String", Overwrite=True)
`;

const ZIP = `
import base64, io, sys, zipfile
buffer = io.BytesIO()
with zipfile.ZipFile(buffer, "w") as archive:
    archive.writestr("index.py", sys.stdin.read())
print(base64.b64encode(buffer.getvalue()).decode())
`;

/** A real function in the emulator, to which instances hand over. Returns its name. */
export async function createHandOverFunction(ministack: Ministack): Promise<string> {
  const zip = execFileSync(ministack.python, ['-c', ZIP], { input: CODE }).toString().trim();
  const response = await fetch(`${ministack.endpoint}/2015-03-31/functions`, {
    method: 'POST',
    body: JSON.stringify({
      FunctionName: NAME,
      Runtime: 'python3.13',
      Handler: 'index.handler',
      Role: `arn:aws:iam::${ministack.accountId}:role/hand-over`,
      Timeout: 30,
      Code: { ZipFile: zip },
    }),
  });
  // Each cluster of a test file asks for it.
  if (!response.ok && response.status !== 409) {
    throw new Error(`the function was not made: ${response.status} ${await response.text()}`);
  }
  return NAME;
}
