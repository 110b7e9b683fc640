"""The deployed template on another implementation of AWS: started, given secrets and code, and deployed to."""

import contextlib
import dataclasses
import hashlib
import http.server
import io
import json
import os
import pathlib
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from cfnlint.decode import cfn_yaml

from support import check, until

ROOT = pathlib.Path(__file__).resolve().parents[2]
CODE, PREFIX, REGION = "code", "/test-secrets", "us-east-1"
# The account's own key, to which everything is allowed. Functions get those of their roles.
OWNER = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


@dataclasses.dataclass
class Cloud:
    port: int
    template: dict
    roles: dict  # The credentials of the functions, by name.
    names: dict = dataclasses.field(default_factory=dict)

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def client(self, service, **credentials):
        return boto3.client(service, region_name=REGION, endpoint_url=self.endpoint, config=Config(retries={"total_max_attempts": 2}),
                            **(credentials or OWNER))

    def role(self, function):
        return self.roles[f"{function}Function"]

    def resources(self, kind):
        return {name: resource["Properties"] for name, resource in self.template["Resources"].items() if resource["Type"] == kind}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def running():
    """An empty account whose policies are enforced, on loopback and on a port of its own, gone at the end with all it kept."""
    with tempfile.TemporaryDirectory() as folder, secrets_extension() as extension:
        port, log = free_port(), pathlib.Path(folder, "log")
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder, "STATE_DIR": folder,
                       "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "AUTH": "true", "LOG_LEVEL": "WARNING",
                       "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0",
                       # Its functions inherit these.
                       "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": str(extension.server_address[1])}
        with log.open("w") as output:
            process = subprocess.Popen([sys.executable, ROOT / "tests/protocols/foreign_aws.py"], env=environment, cwd=folder,
                                       stdout=output, stderr=subprocess.STDOUT)
        try:
            cloud = extension.cloud = Cloud(port, cfn_yaml.load(str(ROOT / "template.yaml")), roles={})
            until("the other AWS answers", lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
            yield cloud
        except (SystemExit, Exception):
            print(log.read_text()[-6000:], *complaints(cloud), sep="\n", file=sys.stderr)
            raise
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def complaints(cloud):
    """What the functions have to say when a test fails: not everything, but what isn't as usual."""
    client = cloud.client("logs")
    for group in client.describe_log_groups()["logGroups"]:
        for event in client.filter_log_events(logGroupName=group["logGroupName"])["events"]:
            if any(word in event["message"] for word in ('"WARN"', '"ERROR"', "rror\":")):
                yield f"{group['logGroupName']}: {event['message']}"


class Extension(http.server.BaseHTTPRequestHandler):
    """The AWS Parameters and Secrets Lambda Extension, which reads with the rights of the function that asks."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        address = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(address.query))
        try:
            if address.path != "/systemsmanager/parameters/get" or query.get("withDecryption") != "true":
                raise ValueError(self.path)
            cloud, token = self.server.cloud, self.headers["X-Aws-Parameters-Secrets-Token"]
            [role] = [role for role in cloud.roles.values() if role["aws_session_token"] == token]
            answer = cloud.client("ssm", **role).get_parameter(Name=query["name"], WithDecryption=True)
            status, body = 200, {"Parameter": {name: answer["Parameter"][name] for name in ("Name", "Type", "Value")}}
        except (ValueError, ClientError) as error:
            status, body = 400, {"message": str(error)}
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format, *arguments):
        pass


@contextlib.contextmanager
def secrets_extension():
    with http.server.ThreadingHTTPServer(("localhost", 0), Extension) as server:
        server.cloud = None
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def role_of(function):
    """The credentials that ministack gives to a function. Nobody is told them, but they follow from its name and its role."""
    digest = hashlib.sha256(f"{function['FunctionArn']}:{function['Role']}".encode()).hexdigest()
    secret, token = (hashlib.sha256(f"{what}:{digest}".encode()).hexdigest() for what in ("secret", "token"))
    return {"aws_access_key_id": f"ASIA{digest[:16].upper()}", "aws_secret_access_key": secret, "aws_session_token": token}


# What ministack's CloudFormation doesn't know, though its CloudFront has both of the first: those are made by their own API.
UNKNOWN = ("AWS::CloudFront::PublicKey", "AWS::CloudFront::KeyGroup", "AWS::CloudWatch::Alarm")


def references(value, made):
    """`value` with each reference to a resource that was made elsewhere replaced by its name."""
    if isinstance(value, dict):
        return made.get(value.get("Ref")) or {key: references(inner, made) for key, inner in value.items()}
    return [references(inner, made) for inner in value] if isinstance(value, list) else value


def deployable(cloud, public_key):
    """The template as this account takes it. Everything but what is named here is as it is deployed to AWS."""
    cloudfront = cloud.client("cloudfront")
    key = cloudfront.create_public_key(PublicKeyConfig={"CallerReference": "test", "Name": "test", "EncodedKey": public_key})
    group = cloudfront.create_key_group(KeyGroupConfig={"Name": "test", "Items": [key["PublicKey"]["Id"]]})
    made = {"AWS::CloudFront::PublicKey": key["PublicKey"]["Id"], "AWS::CloudFront::KeyGroup": group["KeyGroup"]["Id"]}
    names = {name: made.get(resource["Type"]) for name, resource in cloud.template["Resources"].items() if resource["Type"] in UNKNOWN}
    template = references({**cloud.template, "Resources": {name: resource for name, resource in cloud.template["Resources"].items()
                                                           if name not in names}}, names)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = f"s3://{CODE}/{pathlib.PurePath(resource['Properties']['CodeUri']).name}.zip"
        if resource["Type"] == "AWS::CloudFront::Distribution":
            # It refuses to call an AWS host name, and speaks no TLS with itself.
            [api] = [origin for origin in resource["Properties"]["DistributionConfig"]["Origins"] if origin["Id"] == "api"]
            check("the distribution asks the API over TLS", api["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only")
            api["DomainName"] = {"Fn::Sub": "${Api}.execute-api.localhost"}
            api["CustomOriginConfig"] = {"OriginProtocolPolicy": "http-only", "HTTPPort": cloud.port}
    return template


def package(program, folder):
    """A function's program as Lambda takes it; without its debug symbols, which are nine tenths of it."""
    bootstrap = pathlib.Path(folder, program.name)
    if shutil.which("strip"):
        subprocess.run(["strip", "-o", bootstrap, program], check=True, timeout=120)
    else:
        shutil.copyfile(program, bootstrap)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compresslevel=1) as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, bootstrap.read_bytes())
    bootstrap.unlink()
    return content.getvalue()


def prepare(cloud, programs, secrets, public_key):
    """Secrets, code and template, for `create`."""
    ssm, s3 = cloud.client("ssm"), cloud.client("s3")
    for name in ("fal_key", "oidc_client_secret", "media_signing_key", "webhook_mac_key", "callback_key"):
        ssm.put_parameter(Type="SecureString", Name=f"{PREFIX}/{name}", Value=secrets[name])
    s3.create_bucket(Bucket=CODE)
    with tempfile.TemporaryDirectory() as folder:
        for function in cloud.resources("AWS::Serverless::Function").values():
            name = pathlib.PurePath(function["CodeUri"]).name
            s3.put_object(Bucket=CODE, Key=f"{name}.zip", Body=package(programs / name, folder))
    s3.put_object(Bucket=CODE, Key="template.json", Body=json.dumps(deployable(cloud, public_key)).encode())


def create(cloud, stack, **parameters):
    """A stack of the template; returns what its resources are called. Never on AWS's own address, whatever the parameters."""
    formation = cloud.client("cloudformation")
    parameters |= {"AwsEndpointUrl": cloud.endpoint, "Architecture": "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"}
    formation.create_stack(StackName=stack, TemplateURL=f"{cloud.endpoint}/{CODE}/template.json",
                           Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
                           Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()])

    def settled():
        status = formation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        return None if status.endswith("_IN_PROGRESS") else status

    if until("the stack comes to rest", settled) != "CREATE_COMPLETE":
        events = formation.describe_stack_events(StackName=stack)["StackEvents"]
        why = [(event["LogicalResourceId"], event.get("ResourceStatusReason")) for event in events if "FAILED" in event["ResourceStatus"]]
        check("nothing in the stack fails", False, why)
    resources = formation.describe_stack_resources(StackName=stack)["StackResources"]
    names = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}
    lost = {name: cloud.template["Resources"][name]["Type"] for name in set(cloud.template["Resources"]) - set(names)}
    check("everything else of the template is deployed", set(lost.values()) <= set(UNKNOWN), lost)
    return names


def deploy(cloud, **parameters):
    """The stack that is tested, and the credentials of its functions."""
    cloud.names = create(cloud, "aig", SecretsPrefix=PREFIX, **parameters)
    functions = {function["FunctionName"]: function for function in cloud.client("lambda").list_functions()["Functions"]}
    cloud.roles = {name: role_of(functions[cloud.names[name]]) for name in cloud.resources("AWS::Serverless::Function")}
