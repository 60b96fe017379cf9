import type { Ministack } from './ministack';

/** How to deploy a stack. */
export interface CdkDeployProps {
  /** Name of the stack that is created. Default: the stack's id in the cloud assembly. */
  readonly stackName?: string;

  /** Values of template parameters. Default: those of the template. */
  readonly parameters?: Readonly<Record<string, string>>;

  /**
   * Types of resources to leave out because the emulator does not know them, for example
   * `AWS::EC2::SecurityGroupIngress`. What refers to them must be left out too. Default: none.
   */
  readonly omitResourceTypes?: readonly string[];

  /** Seconds to wait for the end of the deployment. Default: 60. */
  readonly timeoutSeconds?: number;
}

/** A resource of a deployed stack. */
export interface DeployedResource {
  /** Name in the template. */
  readonly logicalId: string;

  /** Name or ARN in the account. */
  readonly physicalId: string;

  /** For example `AWS::SQS::Queue`. */
  readonly type: string;
}

/** What a deployment made. */
export interface CreatedStack {
  /** Name of the stack. */
  readonly stackName: string;

  /** Values of the stack's outputs by their keys. */
  readonly outputs: Readonly<Record<string, string>>;

  /** Resources of the stack by their logical ids. */
  readonly resources: Readonly<Record<string, DeployedResource>>;
}

/** A stack of a CDK cloud assembly, deployed to a {@link Ministack} by CloudFormation. */
export class CdkDeployment {
  /**
   * Uploads the file assets of a stack and creates the stack.
   *
   * @param ministack where to.
   * @param cloudAssemblyDirectory what `cdk synth` or `app.synth()` wrote.
   * @param stackId the stack's id in the assembly: the name of its `<id>.template.json`.
   * @param props further options.
   * @throws Error with the reason of each failed resource if the stack is not created; or if the stack
   * is for another Region than the emulator's.
   */
  static async deploy(
    ministack: Ministack,
    cloudAssemblyDirectory: string,
    stackId: string,
    props: CdkDeployProps = {},
  ): Promise<CdkDeployment> {
    // Loaded at the first deployment: it brings the AWS SDK along.
    const { createStack }: typeof import('./stack-creation') = require('./stack-creation');
    const created = await createStack(ministack, cloudAssemblyDirectory, stackId, props);
    return new CdkDeployment(created.stackName, created.outputs, created.resources);
  }

  private constructor(
    /** Name of the stack. */
    readonly stackName: string,
    /** Values of the stack's outputs by their keys. */
    readonly outputs: Readonly<Record<string, string>>,
    /** Resources of the stack by their logical ids. */
    readonly resources: Readonly<Record<string, DeployedResource>>,
  ) {}

  /**
   * Physical id of a resource.
   *
   * @throws Error if the stack has no such logical id.
   */
  physicalId(logicalId: string): string {
    const resource = this.resources[logicalId];
    if (resource === undefined) {
      throw new Error(
        `Stack ${this.stackName} has no resource ${logicalId}; it has: ` +
          Object.keys(this.resources).sort().join(', '),
      );
    }
    return resource.physicalId;
  }

  /** The resources of a type, in the order of their logical ids. */
  resourcesOfType(type: string): DeployedResource[] {
    return Object.values(this.resources)
      .filter((resource) => resource.type === type)
      .sort((a, b) => (a.logicalId < b.logicalId ? -1 : 1));
  }
}
