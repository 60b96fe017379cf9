# Starts this instance's etcd member as the lifecycle function says: waits for the configuration that
# it hands over in an SSM parameter, writes it to an environment file, and starts etcd. If that names a
# snapshot, as the first member of a cluster that is recovered is told, its data is restored before.
#
# Runs in the user data of an instance. Needs curl, the AWS CLI and an etcd on PATH, and to restore a
# snapshot the etcdutl that comes with etcd. The lines before these set: parameter_prefix, scheme, client_port, peer_port, data_directory, environment_file,
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

# The value of one variable of the join configuration; nothing if it does not set it.
joined() {
  printf '%s\n' "${join}" | sed -n "s/^$1=//p"
}

# Makes the data of the snapshot that the join configuration names; all of it or nothing.
restore_data() {
  snapshot=$(joined QUORATE_SNAPSHOT)
  if [ -z "${snapshot}" ] || [ -e "${data_directory}/member" ]; then
    return 0
  fi
  etcdutl version >/dev/null || {
    echo "quorate: there is no etcdutl on PATH, which restores snapshots" >&2
    return 1
  }
  echo "quorate: ${instance_id} restores ${snapshot}"
  restoring="${data_directory}/restoring"
  rm -rf "${restoring}" && mkdir "${restoring}" &&
    aws s3 cp --only-show-errors --region "${region}" "${snapshot}" "${restoring}/snapshot.db" &&
    etcdutl snapshot restore "${restoring}/snapshot.db" \
      --data-dir "${restoring}/data" \
      --name "$(joined ETCD_NAME)" \
      --initial-cluster "$(joined ETCD_INITIAL_CLUSTER)" \
      --initial-cluster-token "$(joined ETCD_INITIAL_CLUSTER_TOKEN)" \
      --initial-advertise-peer-urls "${scheme}://${address}:${peer_port}" \
      --bump-revision "$(joined QUORATE_BUMP_REVISION)" --mark-compacted &&
    mv "${restoring}/data/member" "${data_directory}/member" &&
    rm -rf "${restoring}" && return 0
  echo "quorate: ${snapshot} was not restored; etcd is not started" >&2
  return 1
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
restore_data || exit 1

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
