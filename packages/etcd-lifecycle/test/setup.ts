// CDK validates each template against the resource schemas by default: seconds for each synthesis.
// One test turns it on again.
process.env.CDK_VALIDATION = 'false';
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
