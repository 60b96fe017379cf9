# Starts this instance's etcd member as the lifecycle function says: waits for the configuration that
# it hands over in an SSM parameter, writes it to an environment file, and starts etcd.
#
# Runs in the user data of an instance. Needs curl, the AWS CLI and an etcd on PATH. The lines before
# these set: parameter_prefix, scheme, client_port, peer_port, data_directory, environment_file,
# poll_seconds, and the functions tls_settings and start_etcd.

metadata_service="${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}"

# One value of the instance metadata service, version 2.
metadata() {
  token=$(curl --silent --show-error --fail --retry 5 --request PUT \
    --header 'X-aws-ec2-metadata-token-ttl-seconds: 300' \
    "${metadata_service}/latest/api/token") &&
    curl --silent --show-error --fail --retry 5 \
      --header "X-aws-ec2-metadata-token: ${token}" \
      "${metadata_service}/latest/meta-data/$1"
}

# The join configuration; says why there is none unless it is merely not there yet.
join_configuration() {
  if aws ssm get-parameter --region "${region}" --name "${parameter_prefix}/${instance_id}" \
    --query Parameter.Value --output text 2>"${environment_file}.error"; then
    return 0
  fi
  grep --quiet ParameterNotFound "${environment_file}.error" ||
    cat "${environment_file}.error" >&2
  return 1
}

# A line of the environment file, quoted as both a shell and systemd read it.
setting() {
  printf '%s="%s"\n' "$1" "$(printf '%s' "$2" | sed 's/[\\"$`]/\\&/g')"
}

instance_id=$(metadata instance-id) || exit 1
address=$(metadata local-ipv4) || exit 1
region=$(metadata placement/region) || exit 1
mkdir -p "${data_directory}" "$(dirname "${environment_file}")" || exit 1
chmod 700 "${data_directory}" || exit 1

echo "quorate: ${instance_id} waits for its place in the cluster"
until join=$(join_configuration); do
  sleep "${poll_seconds}"
done
rm -f "${environment_file}.error"

{
  printf '%s\n' "${join}"
  setting ETCD_DATA_DIR "${data_directory}"
  setting ETCD_LISTEN_PEER_URLS "${scheme}://${address}:${peer_port}"
  setting ETCD_LISTEN_CLIENT_URLS "${scheme}://${address}:${client_port}"
  setting ETCD_INITIAL_ADVERTISE_PEER_URLS "${scheme}://${address}:${peer_port}"
  setting ETCD_ADVERTISE_CLIENT_URLS "${scheme}://${address}:${client_port}"
  tls_settings
} >"${environment_file}" || exit 1

echo "quorate: ${instance_id} starts etcd"
start_etcd
