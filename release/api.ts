import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Extractor, ExtractorConfig, type ExtractorMessage } from '@microsoft/api-extractor';
import { compile, packageFolders, ROOT, readManifest } from './pack';

/** Where the references and the reports are kept, for each package. */
export const API_FOLDER = join(ROOT, 'docs', 'api');
const TYPEDOC = join(ROOT, 'node_modules', 'typedoc', 'bin', 'typedoc');

/** Packages of which everything public must be documented, down to each property. */
const WHOLLY_DOCUMENTED = ['etcd-lifecycle', 'python-retry'];

/**
 * Writes a report of a package's public API, every signature and nothing else, and compares it with
 * the one that is kept. The package must be compiled.
 *
 * @param scratch the folder for the new report, which is named as the one that is kept
 * @returns whether they differ
 */
export function apiHasChanged(folder: string, scratch: string): boolean {
  const config = ExtractorConfig.prepare({
    packageJsonFullPath: join(folder, 'package.json'),
    configObjectFullPath: undefined,
    configObject: {
      projectFolder: folder,
      mainEntryPointFilePath: join(folder, 'lib', 'index.d.ts'),
      compiler: { tsconfigFilePath: join(folder, 'tsconfig.json') },
      apiReport: {
        enabled: true,
        reportFileName: basename(folder),
        reportFolder: API_FOLDER,
        reportTempFolder: scratch,
      },
      newlineKind: 'lf',
    },
  });
  const { apiReportChanged, errorCount } = Extractor.invoke(config, {
    localBuild: false,
    messageCallback(message: ExtractorMessage) {
      // Tags and exports are judged by typedoc.
      if (message.logLevel !== 'error') {
        message.handled = true;
      }
    },
  });
  if (errorCount > 0) {
    throw new Error(`API Extractor found ${errorCount} errors in ${basename(folder)}, see above`);
  }
  return apiReportChanged || !existsSync(reportOf(folder));
}

/** The report of a package that is kept. */
export function reportOf(folder: string): string {
  return join(API_FOLDER, `${basename(folder)}.api.md`);
}

/** Writes the reference of a package, from its docstrings, as Markdown. */
export function renderReference(folder: string, destination: string): void {
  const name = basename(folder);
  mkdirSync(destination, { recursive: true });
  const options = join(destination, 'typedoc.json');
  writeFileSync(
    options,
    JSON.stringify({
      name: readManifest(folder).name,
      entryPoints: [join(folder, 'src', 'index.ts')],
      tsconfig: join(folder, 'tsconfig.json'),
      plugin: [require.resolve('typedoc-plugin-markdown')],
      out: join(destination, name),
      readme: 'none',
      // Places in the sources change with every line above them.
      disableSources: true,
      excludeExternals: true,
      excludeInternal: true,
      excludePrivate: true,
      githubPages: false,
      hideBreadcrumbs: true,
      hidePageHeader: true,
      outputFileStrategy: 'modules',
      // The object whose keys are the names of the features.
      intentionallyNotExported: name === 'python-retry' ? ['FEATURES'] : [],
      // The compiler has checked the types.
      skipErrorChecking: true,
      sort: ['source-order'],
      validation: {
        invalidLink: true,
        notExported: true,
        notDocumented: WHOLLY_DOCUMENTED.includes(name),
      },
      treatWarningsAsErrors: true,
      logLevel: 'Warn',
    }),
  );
  try {
    execFileSync(process.execPath, [TYPEDOC, '--options', options], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      encoding: 'utf8',
    });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`typedoc found faults in ${name}:\n${stdout ?? ''}${stderr ?? error}`);
  } finally {
    rmSync(options, { force: true });
  }
}

/** Writes all references and reports anew. */
function update(): void {
  compile();
  const scratch = join(ROOT, '.cache', 'api');
  rmSync(API_FOLDER, { recursive: true, force: true });
  mkdirSync(API_FOLDER, { recursive: true });
  mkdirSync(scratch, { recursive: true });
  for (const folder of packageFolders()) {
    apiHasChanged(folder, scratch);
    copyFileSync(join(scratch, basename(reportOf(folder))), reportOf(folder));
    renderReference(folder, API_FOLDER);
    console.log(`${readManifest(folder).name}: docs/api/${basename(folder)} and its report`);
  }
}

if (require.main === module) {
  update();
}
