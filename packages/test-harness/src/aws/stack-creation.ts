import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  ListStackResourcesCommand,
  ListStacksCommand,
  type Stack,
} from '@aws-sdk/client-cloudformation';
import {
  BucketAlreadyOwnedByYou,
  CreateBucketCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { type Zippable, zipSync } from 'fflate';
import { waitUntil } from '../wait-until';
import type { CdkDeployProps, CreatedStack, DeployedResource } from './cdk-deployment';
import type { Ministack } from './ministack';

interface AssetManifest {
  readonly files?: Readonly<
    Record<
      string,
      {
        readonly source: { readonly path?: string; readonly packaging?: string };
        readonly destinations: Readonly<
          Record<string, { readonly bucketName: string; readonly objectKey: string }>
        >;
      }
    >
  >;
}

interface CloudAssembly {
  readonly artifacts: Readonly<Record<string, { readonly environment?: string }>>;
}

interface Template {
  readonly Parameters?: Readonly<Record<string, { readonly Default?: string }>>;
  readonly Resources: Readonly<Record<string, TemplateResource>>;
}

interface TemplateResource {
  readonly Type: string;
  readonly DependsOn?: string | readonly string[];
}

/** Uploads the file assets of a stack and creates it, as `CdkDeployment.deploy` describes. */
export async function createStack(
  ministack: Ministack,
  cloudAssemblyDirectory: string,
  stackId: string,
  props: CdkDeployProps,
): Promise<CreatedStack> {
  checkRegion(ministack, cloudAssemblyDirectory, stackId);
  const template = omitResources(
    readJson<Template>(join(cloudAssemblyDirectory, `${stackId}.template.json`)),
    props.omitResourceTypes ?? [],
  );
  const s3 = new S3Client({ ...ministack.clientConfig(), forcePathStyle: true });
  const cloudFormation = new CloudFormationClient(ministack.clientConfig());
  try {
    await bootstrap(cloudFormation, template);
    await uploadAssets(ministack, s3, cloudAssemblyDirectory, stackId);
    const stackName = props.stackName ?? stackId;
    await cloudFormation
      .send(
        new CreateStackCommand({
          StackName: stackName,
          TemplateURL: await uploadTemplate(ministack, s3, stackName, template),
          Capabilities: ['CAPABILITY_IAM', 'CAPABILITY_NAMED_IAM', 'CAPABILITY_AUTO_EXPAND'],
          Parameters: Object.entries(props.parameters ?? {}).map(([key, value]) => ({
            ParameterKey: key,
            ParameterValue: value,
          })),
        }),
      )
      .catch((error: Error) => {
        throw explained(error);
      });
    const outputs = await waitForStack(cloudFormation, stackName, props.timeoutSeconds ?? 60);
    return {
      stackName,
      outputs,
      resources: await listResources(cloudFormation, stackName),
    };
  } finally {
    s3.destroy();
    cloudFormation.destroy();
  }
}

/** Says what can be done where the emulator only says that it does not know something. */
function explained(error: Error): Error {
  return error.message.includes('Unrecognized resource types')
    ? new Error(
        `${error.message}: the emulator knows none of them; leave them out by the option omitResourceTypes`,
        { cause: error },
      )
    : error;
}

function readJson<T>(file: string): T {
  return JSON.parse(readFileSync(file, 'utf8')) as T;
}

/** A stack for another Region would look for its assets, and for all else, where nothing is. */
function checkRegion(ministack: Ministack, directory: string, stackId: string): void {
  const { artifacts } = readJson<CloudAssembly>(join(directory, 'manifest.json'));
  const region = artifacts[stackId]?.environment?.split('/').at(-1);
  if (region !== undefined && region !== 'unknown-region' && region !== ministack.region) {
    throw new Error(
      `Stack ${stackId} is for the Region ${region}, but the emulator is in ${ministack.region}: ` +
        `start it with Ministack.start({ region: '${region}' }), or leave the stack's region out`,
    );
  }
}

function omitResources(template: Template, types: readonly string[]): Template {
  const omitted = new Set(
    Object.entries(template.Resources)
      .filter(([, resource]) => types.includes(resource.Type))
      .map(([logicalId]) => logicalId),
  );
  if (omitted.size === 0) {
    return template;
  }
  const kept = Object.entries(template.Resources)
    .filter(([logicalId]) => !omitted.has(logicalId))
    .map(([logicalId, { DependsOn, ...resource }]) => {
      const dependencies = [DependsOn ?? []].flat().filter((id) => !omitted.has(id));
      return [
        logicalId,
        dependencies.length > 0 ? { ...resource, DependsOn: dependencies } : resource,
      ];
    });
  return { ...template, Resources: Object.fromEntries(kept) };
}

/**
 * Creates what a stack looks up of a bootstrapped environment: the version parameter. Roles are not
 * assumed, and buckets are made as assets need them.
 */
async function bootstrap(cloudFormation: CloudFormationClient, template: Template): Promise<void> {
  const parameterName = template.Parameters?.BootstrapVersion?.Default;
  if (parameterName === undefined) {
    return;
  }
  const stackName = `bootstrap-${parameterName.replaceAll(/[^A-Za-z0-9]+/g, '-')}`;
  const { StackSummaries } = await cloudFormation.send(
    new ListStacksCommand({ StackStatusFilter: ['CREATE_COMPLETE'] }),
  );
  if (StackSummaries?.some((summary) => summary.StackName === stackName)) {
    return;
  }
  await cloudFormation.send(
    new CreateStackCommand({
      StackName: stackName,
      TemplateBody: JSON.stringify({
        Resources: {
          Version: {
            Type: 'AWS::SSM::Parameter',
            // Newer than any version that CDK asks for.
            Properties: { Name: parameterName, Type: 'String', Value: '1000' },
          },
        },
      }),
    }),
  );
  await waitForStack(cloudFormation, stackName, 60);
}

async function uploadAssets(
  ministack: Ministack,
  s3: S3Client,
  cloudAssemblyDirectory: string,
  stackId: string,
): Promise<void> {
  const manifest = readJson<AssetManifest>(join(cloudAssemblyDirectory, `${stackId}.assets.json`));
  const pseudoParameters: Readonly<Record<string, string>> = {
    AccountId: ministack.accountId,
    Region: ministack.region,
    Partition: 'aws',
  };
  const resolve = (text: string) =>
    text.replaceAll(
      /\$\{AWS::(\w+)\}/g,
      (placeholder, name: string) => pseudoParameters[name] ?? placeholder,
    );
  for (const [id, { source, destinations }] of Object.entries(manifest.files ?? {})) {
    if (source.path === undefined) {
      throw new Error(`Asset ${id} of ${stackId} is not a file or directory; none else is known`);
    }
    const path = join(cloudAssemblyDirectory, source.path);
    const body = source.packaging === 'zip' ? zipDirectory(path) : readFileSync(path);
    for (const { bucketName, objectKey } of Object.values(destinations)) {
      const bucket = resolve(bucketName);
      await createBucket(s3, bucket);
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: resolve(objectKey), Body: body }));
    }
  }
}

/** Makes a bucket, or finds it made: us-east-1 alone answers that with success (API of S3, CreateBucket). */
async function createBucket(s3: S3Client, bucket: string): Promise<void> {
  try {
    await s3.send(new CreateBucketCommand({ Bucket: bucket }));
  } catch (error) {
    if (!(error instanceof BucketAlreadyOwnedByYou)) {
      throw error;
    }
  }
}

/** CloudFormation takes a template of more than 51,200 bytes only from S3, so all go that way. */
async function uploadTemplate(
  ministack: Ministack,
  s3: S3Client,
  stackName: string,
  template: Template,
): Promise<string> {
  const bucket = 'deployed-templates';
  const key = `${stackName}.json`;
  await createBucket(s3, bucket);
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: JSON.stringify(template) }));
  return `${ministack.endpoint}/${bucket}/${key}`;
}

/** Zips a directory; equal content gives an equal archive. */
function zipDirectory(directory: string): Uint8Array {
  const entries: Zippable = {};
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()) {
    const path = join(directory, name);
    const stats = statSync(path);
    if (stats.isFile()) {
      entries[relative(directory, path).split(sep).join('/')] = [
        readFileSync(path),
        // Unix file mode in the upper half, as Lambda needs to read (and run) what it unpacks.
        { os: 3, attrs: (0o100000 | (stats.mode & 0o777)) * 0x10000, mtime: '1980-01-01' },
      ];
    }
  }
  return zipSync(entries);
}

async function waitForStack(
  cloudFormation: CloudFormationClient,
  stackName: string,
  timeoutSeconds: number,
): Promise<Record<string, string>> {
  let stack: Stack | undefined;
  const state = async () =>
    `(${stack?.StackStatus ?? 'missing'}):\n` +
    (await failures(cloudFormation, stackName, stack?.StackStatusReason));
  return waitUntil(
    `stack ${stackName} to be created`,
    async () => {
      const { Stacks } = await cloudFormation.send(
        new DescribeStacksCommand({ StackName: stackName }),
      );
      stack = Stacks?.[0];
      if (stack?.StackStatus === 'CREATE_COMPLETE') {
        return Object.fromEntries(
          (stack.Outputs ?? []).map((output) => [output.OutputKey ?? '', output.OutputValue ?? '']),
        );
      }
      if (!stack?.StackStatus?.endsWith('_IN_PROGRESS')) {
        throw new Error(`Stack ${stackName} was not created ${await state()}`);
      }
      return undefined;
    },
    {
      timeoutMs: timeoutSeconds * 1000,
      intervalMs: 100,
      retryable: () => false,
      detail: async () => `Its status ${await state()}`,
    },
  );
}

async function failures(
  cloudFormation: CloudFormationClient,
  stackName: string,
  statusReason: string | undefined,
): Promise<string> {
  const { StackEvents } = await cloudFormation.send(
    new DescribeStackEventsCommand({ StackName: stackName }),
  );
  const reasons = (StackEvents ?? [])
    .filter((event) => event.ResourceStatus?.endsWith('_FAILED'))
    .map(
      (event) =>
        `${event.LogicalResourceId} (${event.ResourceType}): ${event.ResourceStatusReason}`,
    )
    .reverse();
  return reasons.length > 0 ? reasons.join('\n') : (statusReason ?? 'no reason was given');
}

async function listResources(
  cloudFormation: CloudFormationClient,
  stackName: string,
): Promise<Record<string, DeployedResource>> {
  const resources: Record<string, DeployedResource> = {};
  let nextToken: string | undefined;
  do {
    const page = await cloudFormation.send(
      new ListStackResourcesCommand({ StackName: stackName, NextToken: nextToken }),
    );
    for (const summary of page.StackResourceSummaries ?? []) {
      const logicalId = summary.LogicalResourceId ?? '';
      resources[logicalId] = {
        logicalId,
        physicalId: summary.PhysicalResourceId ?? '',
        type: summary.ResourceType ?? '',
      };
    }
    nextToken = page.NextToken;
  } while (nextToken !== undefined);
  return resources;
}
