"""Botocore's description of EC2, as far as it is called here: which instances have which addresses.

The whole one is of 800 operations. To read it is a fifth of a cold start's work, and it takes 20 MiB.
"""

from __future__ import annotations

from typing import Any, Final

EC2_DESCRIPTION: Final[dict[str, Any]] = {
    "version": "2.0",
    "metadata": {
        "apiVersion": "2016-11-15",
        "auth": ["aws.auth#sigv4"],
        "endpointPrefix": "ec2",
        "protocol": "ec2",
        "protocols": ["ec2"],
        "serviceAbbreviation": "Amazon EC2",
        "serviceFullName": "Amazon Elastic Compute Cloud",
        "serviceId": "EC2",
        "signatureVersion": "v4",
        "uid": "ec2-2016-11-15",
        "xmlNamespace": "http://ec2.amazonaws.com/doc/2016-11-15",
    },
    "operations": {
        "DescribeInstances": {
            "name": "DescribeInstances",
            "http": {"method": "POST", "requestUri": "/"},
            "input": {"shape": "DescribeInstancesRequest"},
            "output": {"shape": "DescribeInstancesResult"},
        },
    },
    "shapes": {
        "DescribeInstancesRequest": {
            "type": "structure",
            "members": {
                "Filters": {"shape": "FilterList", "locationName": "Filter"},
                "NextToken": {"shape": "String", "locationName": "nextToken"},
                "MaxResults": {"shape": "Integer", "locationName": "maxResults"},
            },
        },
        "FilterList": {
            "type": "list",
            "member": {"shape": "Filter", "locationName": "Filter"},
        },
        "Filter": {
            "type": "structure",
            "members": {
                "Name": {"shape": "String"},
                "Values": {"shape": "ValueStringList", "locationName": "Value"},
            },
        },
        "ValueStringList": {
            "type": "list",
            "member": {"shape": "String", "locationName": "item"},
        },
        "DescribeInstancesResult": {
            "type": "structure",
            "members": {
                "NextToken": {"shape": "String", "locationName": "nextToken"},
                "Reservations": {"shape": "ReservationList", "locationName": "reservationSet"},
            },
        },
        "ReservationList": {
            "type": "list",
            "member": {"shape": "Reservation", "locationName": "item"},
        },
        "Reservation": {
            "type": "structure",
            "members": {
                "Instances": {"shape": "InstanceList", "locationName": "instancesSet"},
            },
        },
        "InstanceList": {
            "type": "list",
            "member": {"shape": "Instance", "locationName": "item"},
        },
        "Instance": {
            "type": "structure",
            "members": {
                "InstanceId": {"shape": "String", "locationName": "instanceId"},
                "PrivateIpAddress": {"shape": "String", "locationName": "privateIpAddress"},
            },
        },
        "Integer": {"type": "integer"},
        "String": {"type": "string"},
    },
}
"""A part of what botocore has in ``ec2/2016-11-15/service-2``; the client knows nothing else."""
