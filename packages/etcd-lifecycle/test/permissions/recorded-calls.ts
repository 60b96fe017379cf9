import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A call of AWS, as boto3 or the AWS CLI made it. */
export interface AwsCall {
  /** As botocore names it, such as `s3`. */
  readonly service: string;
  /** Such as `UploadPart`. */
  readonly operation: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** The calls of AWS of some Python processes, which its environment variables have written down. */
export class RecordedCalls {
  private readonly directory = mkdtempSync(join(tmpdir(), 'aws-calls-'));
  private readonly file = join(this.directory, 'calls.jsonl');

  /** For the processes whose calls are to be recorded. */
  readonly environment: Readonly<Record<string, string>> = {
    PYTHONPATH: join(__dirname, 'recorder'),
    QUORATE_TEST_CALLS_FILE: this.file,
  };

  /** The calls so far. */
  read(): AwsCall[] {
    if (!existsSync(this.file)) {
      return [];
    }
    const lines = readFileSync(this.file, 'utf8').trimEnd().split('\n');
    return lines.map((line) => JSON.parse(line) as AwsCall);
  }

  /** Whether there was such a call. */
  has(operation: string): boolean {
    return this.read().some((call) => call.operation === operation);
  }

  /** Removes the record. */
  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
