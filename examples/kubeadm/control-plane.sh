# Makes this instance a node of the control plane, by kubeadm, with a member of the stacked etcd.
#
# The lines before these set: cluster, region, endpoint, secret and first_node. The image has kubeadm,
# kubelet, a container runtime, the AWS CLI, curl, jq and openssl.
set -euo pipefail

metadata() {
  token=$(curl --silent --show-error --fail --request PUT \
    --header 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
  curl --silent --show-error --fail --header "X-aws-ec2-metadata-token: ${token}" \
    "http://169.254.169.254/latest/meta-data/$1"
}
instance=$(metadata instance-id)
address=$(metadata local-ipv4)

# The authorities are the same on each node, so that nothing has to be handed from one to another.
pki=/etc/kubernetes/pki
install -d -m 700 "${pki}/etcd"
(
  umask 077
  values=$(aws secretsmanager get-secret-value --region "${region}" --secret-id "${secret}" \
    --query SecretString --output text)
  for file in ca.crt ca.key sa.key sa.pub front-proxy-ca.crt front-proxy-ca.key etcd/ca.crt etcd/ca.key; do
    jq --raw-output --exit-status --arg file "${file}" '.[$file]' <<<"${values}" >"${pki}/${file}"
  done
  jq --raw-output --exit-status '.token' <<<"${values}" >/etc/kubernetes/token
)
token=$(</etc/kubernetes/token)
hash=$(openssl x509 -pubkey -noout -in "${pki}/ca.crt" | openssl pkey -pubin -outform der | sha256sum)

# Only one instance can make the parameter, once: it starts the cluster, and no other one ever does.
aws ssm put-parameter --region "${region}" --name "${first_node}" --type String \
  --value "${instance}" >/dev/null 2>&1 || true
first=$(aws ssm get-parameter --region "${region}" --name "${first_node}" \
  --query Parameter.Value --output text)

if [[ "${first}" == "${instance}" ]]; then
  cat >/etc/kubernetes/init.yaml <<YAML
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens:
  - token: ${token}
    ttl: 0s
localAPIEndpoint:
  advertiseAddress: ${address}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: ${cluster}
controlPlaneEndpoint: ${endpoint}:6443
YAML
  kubeadm init --config /etc/kubernetes/init.yaml
else
  cat >/etc/kubernetes/join.yaml <<YAML
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken:
    token: ${token}
    apiServerEndpoint: ${endpoint}:6443
    caCertHashes: ["sha256:${hash%% *}"]
controlPlane:
  localAPIEndpoint:
    advertiseAddress: ${address}
YAML
  # etcd takes nobody while a member is dead, or another is joining. What an attempt has begun is taken
  # back, all but the authorities.
  until kubeadm join --config /etc/kubernetes/join.yaml; do
    cp --archive "${pki}" /run/pki
    kubeadm reset --force || true
    mkdir --parents /etc/kubernetes && rm --recursive --force "${pki}" && mv /run/pki "${pki}"
    sleep 20
  done
fi
