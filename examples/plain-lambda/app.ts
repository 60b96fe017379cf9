import { explainPolicy, writePythonRetry } from '@quorate/python-retry';
import { Annotations, App, Duration, Stack } from 'aws-cdk-lib';
import { Architecture, Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';

const app = new App();
const stack = new Stack(app, 'Inventory');

// Beside lambda/index.py, which imports it; with a stub, so that an editor knows the types.
writePythonRetry('lambda', { features: ['breaker', 'calls', 'deadline', 'jitter'] });

const timeout = Duration.seconds(30);
const sync = new LambdaFunction(stack, 'Sync', {
  runtime: Runtime.PYTHON_3_13,
  architecture: Architecture.ARM_64,
  handler: 'index.handler',
  timeout,
  environment: { INVENTORY_URL: 'https://inventory.example.com/' },
  code: Code.fromAsset('lambda', { exclude: ['**/__pycache__', '*.pyi'] }),
});

// The numbers of lambda/index.py: does their worst case fit into the function's time-out?
const policy = { maxRetries: 4, baseDelay: 0.5, jitter: 'full', attemptTimeout: 3 } as const;
for (const { level, message } of explainPolicy({ ...policy, hasDeadline: true }, timeout)
  .problems) {
  if (level === 'error') {
    Annotations.of(sync).addError(message);
  } else {
    Annotations.of(sync).addWarningV2('inventory:retry', message);
  }
}
