import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type CfnResource, FileAssetPackaging, Names, Stack, Stage } from 'aws-cdk-lib';
import { Code, type CodeConfig, type ResourceBindOptions } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import { refuse } from './findings';

/** The files of a function, by their paths with slashes. */
export type CodeFiles = ReadonlyMap<string, string | Uint8Array>;

/** By this an app asks for other hashes (its context, as `AssetStaging` of CDK reads it). */
const SALT = '@aws-cdk/core:assetHashSalt';

/** By this the CDK command line asks where the code is, for tools such as SAM's. */
const METADATA_ENABLED = 'aws:cdk:enable-asset-metadata';

/**
 * The code of a function from files that are known in memory; the same files give the same asset.
 *
 * `Code.fromAsset()` with local bundling does it too, but costs a synthesis many times as much: it loads
 * the facts of all Regions for the asset's bucket, and a library that copies, and reads all files again.
 */
export class FilesCode extends Code {
  public readonly isInline = false;
  private staged?: string;

  /** @param files - what is deployed; asked for when a function takes the code */
  constructor(private readonly files: () => CodeFiles) {
    super();
  }

  public override bind(scope: Construct): CodeConfig {
    const stage = Stage.of(scope);
    if (!stage) {
      refuse(scope, 'the code of a function is written where its app is, but it is in no app');
    }
    const files = this.files();
    const sourceHash = hashOf(files, scope.node.tryGetContext(SALT));
    const directory = join(stage.assetOutdir, `asset.${sourceHash}`);
    if (!existsSync(directory)) {
      // Whole or not at all, even if the process ends in the midst.
      const draft = `${directory}.draft`;
      rmSync(draft, { recursive: true, force: true });
      writeFiles(draft, files);
      renameSync(draft, directory);
    }
    this.staged = relative(stage.outdir, directory);
    const { bucketName, objectKey } = Stack.of(scope).synthesizer.addFileAsset({
      sourceHash,
      packaging: FileAssetPackaging.ZIP_DIRECTORY,
      fileName: this.staged,
      // Nobody reads it but the deployment, so that it may go after a while.
      deployTime: true,
      displayName: `${Names.stackRelativeConstructPath(scope)}/Code`,
    });
    return { s3Location: { bucketName, objectKey } };
  }

  public override bindToResource(resource: CfnResource, options: ResourceBindOptions = {}): void {
    if (this.staged !== undefined && resource.node.tryGetContext(METADATA_ENABLED)) {
      resource.addMetadata('aws:asset:path', this.staged);
      resource.addMetadata('aws:asset:is-bundled', true);
      resource.addMetadata('aws:asset:property', options.resourceProperty ?? 'Code');
    }
  }
}

/** Writes files below a folder, so that whoever runs them may read them, whatever the umask is. */
export function writeFiles(directory: string, files: CodeFiles): void {
  for (const folder of new Set([...files.keys()].map((path) => dirname(join(directory, path))))) {
    mkdirSync(folder, { recursive: true });
  }
  for (const [path, content] of files) {
    const target = join(directory, path);
    writeFileSync(target, content);
    chmodSync(target, 0o644);
  }
}

function hashOf(files: CodeFiles, salt: unknown): string {
  const hash = createHash('sha256');
  for (const path of [...files.keys()].sort()) {
    const content = Buffer.from(files.get(path) ?? '');
    // With their lengths, so that nothing can move from one to the next.
    hash.update(`${path}\0${content.length}\0`).update(content);
  }
  return hash.update(String(salt ?? '')).digest('hex');
}
