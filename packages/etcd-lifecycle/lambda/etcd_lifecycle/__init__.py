"""Keeps the membership of an etcd cluster in step with an EC2 Auto Scaling group."""
