import { type Project, TextFile, TomlFile } from 'projen';

/** Python tools and libraries of the development environment; locked in `requirements-dev.txt`. */
const DEVELOPMENT_DEPENDENCIES = [
  'awscli',
  'boto3',
  'boto3-stubs[autoscaling,dynamodb,ec2,s3,secretsmanager,sqs,ssm]',
  'hypothesis',
  'ministack==1.5.33',
  'mypy',
  'pytest',
  'ruff',
];

/** The oldest Python that what we emit and deploy runs on. */
const PYTHON_FLOOR = '3.10';

/** Folders of Python that ships. */
const SOURCES = [
  'packages/python-retry/python',
  'packages/etcd-lifecycle/lambda',
  'packages/test-harness/python',
];

/** Configures the Python tools: what is installed, and how it is linted, typed and tested. */
export function addPython(workspace: Project): void {
  const requirements = new TextFile(workspace, 'requirements-dev.in', { readonly: false });
  requirements.addLine(`# ${requirements.marker}`);
  DEVELOPMENT_DEPENDENCIES.forEach((dependency) => {
    requirements.addLine(dependency);
  });
  workspace.addTask('upgrade:python', {
    description: 'Lock the newest Python development dependencies in requirements-dev.txt',
    steps: [
      { exec: 'python3 -m venv .cache/uv && .cache/uv/bin/pip install --quiet uv' },
      {
        exec: [
          '.cache/uv/bin/uv pip compile requirements-dev.in --output-file requirements-dev.txt',
          `--universal --python-version ${PYTHON_FLOOR} --generate-hashes --upgrade`,
          '--no-emit-index-url --no-header --quiet',
        ].join(' '),
      },
    ],
  });
  new TomlFile(workspace, 'pyproject.toml', {
    obj: {
      tool: {
        ruff: {
          'line-length': 100,
          'target-version': `py${PYTHON_FLOOR.replace('.', '')}`,
          'cache-dir': '.cache/ruff',
          'extend-exclude': ['lib', 'dist', 'cdk.out'],
          lint: {
            select: ['ALL'],
            ignore: [
              // The formatter decides.
              'COM812',
              // The licence stands in one file.
              'CPY001',
              'ISC001',
              'E501',
              // Of two contradicting styles one must go.
              'D203',
              'D213',
              // Messages are written where they are raised, which reads better in a log.
              'EM101',
              'EM102',
              'TRY003',
            ],
            pydocstyle: { convention: 'google' },
            'per-file-ignores': {
              // Tests are many small cases that reach into what they test.
              '**/test/**': [
                ...['ANN', 'ARG', 'BLE001', 'D', 'EM', 'FBT', 'INP001', 'PERF203', 'PLR0913'],
                ...['PLR0917', 'PLR2004', 'S', 'SLF001', 'T201', 'TRY'],
              ],
              // Measurements: short functions that import one package each.
              'bench/**': [
                ...['ANN', 'ARG001', 'BLE001', 'D', 'INP001', 'PERF203', 'PLC0415', 'PLR0913'],
                ...['PLR0917', 'PLW0108', 'S101', 'S311', 'S603', 'T201'],
              ],
              // Code of a user's, not of a package; `context` has no type of its own.
              'examples/**': ['ANN401', 'INP001', 'S310'],
              // Programs for other programs: they run what they are given, and print.
              'packages/test-harness/python/*': ['INP001', 'S102', 'T201'],
              // One emitted module with a fixed positional surface: its functions and its class are
              // friends, and comments for the linter would be emitted to every user.
              'packages/python-retry/python/*': [
                ...['BLE001', 'C901', 'FBT001', 'FBT003', 'INP001', 'PLR0912', 'PLR0913'],
                ...['PLR0915', 'PLR0917', 'SLF001'],
              ],
            },
          },
        },
        mypy: {
          strict: true,
          python_version: PYTHON_FLOOR,
          files: SOURCES,
          mypy_path: SOURCES,
          explicit_package_bases: true,
          cache_dir: '.cache/mypy',
        },
        pytest: {
          ini_options: {
            pythonpath: SOURCES.slice(0, 2),
            addopts: '-q -W error --import-mode=importlib -p no:cacheprovider',
            testpaths: ['packages'],
            norecursedirs: ['node_modules', 'lib', 'dist', 'cdk.out', '.*'],
          },
        },
      },
    },
    readonly: false,
  });
}
