"""AWS Lambda's API, as boto3 and AWS's other SDKs speak it, over the functions of this server."""

from __future__ import annotations

from ...web.dialect import Dialect, joined
from . import aliases, deploying, elsewhere, invoking, reading
from .errors import aws_error

AWS_LAMBDA = Dialect(
    "aws_lambda",
    # The last takes what no other has.
    joined(invoking, reading, deploying, aliases, elsewhere),
    paths=elsewhere.DAYS,
    error_answer=aws_error,
    clients="AWS's clients",
    key_hint="sign the request with KEY as the access key id, and any secret",
)
