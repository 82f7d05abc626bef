"""A secrets engine on PyPI's `python-plugin`: keeps one text under each name in the host's storage, and tells of each write.

argv[1] is a file with the descriptors of backend.proto, which `protoc --descriptor_set_out --include_imports` writes.
"""

import json
import pathlib
import sys
import uuid

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpclib.client import UnaryUnaryMethod
from grpclib.const import Cardinality, Handler
from pyplugin.handshake import HandshakeConfig
from pyplugin.plugin import Plugin
from pyplugin.server import ServeConfig, serve

POOL = descriptor_pool.DescriptorPool()
for file in descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(sys.argv[1]).read_bytes()).file:
    POOL.Add(file)

SECRETS = 1
UNSUPPORTED_OPERATION = 5
UNSUPPORTED_PATH = 6


def message(name):
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(name))


class Host:
    """What the host serves to one mount."""

    def __init__(self, channel):
        def method(path, argument, reply):
            return UnaryUnaryMethod(channel, path, message(argument), message(reply))

        self.get = method("/pb.Storage/Get", "pb.StorageGetArgs", "pb.StorageGetReply")
        self.put = method("/pb.Storage/Put", "pb.StoragePutArgs", "pb.StoragePutReply")
        self.send_event = method("/pb.Events/SendEvent", "pb.SendEventRequest", "pb.Empty")


class Backend:
    """pb.Backend for one mount: without the multiplexing service a host starts a process for each."""

    def __init__(self, broker):
        self.broker = broker
        self.host = None

    def __mapping__(self):
        service = POOL.FindServiceByName("pb.Backend")
        return {f"/pb.Backend/{m.name}": Handler(self._answer(getattr(self, m.name)), Cardinality.UNARY_UNARY,
                                                 message(m.input_type.full_name), message(m.output_type.full_name))
                for m in service.methods}

    def _answer(self, handle):
        async def answer(stream):
            await stream.send_message(await handle(await stream.recv_message()))
        return answer

    async def Setup(self, arguments):
        self.host = Host(await self.broker.dial(arguments.broker_id))
        return message("pb.SetupReply")()

    async def Initialize(self, _):
        return message("pb.InitializeReply")()

    async def Type(self, _):
        return message("pb.TypeReply")(type=SECRETS)

    async def SpecialPaths(self, _):
        return message("pb.SpecialPathsReply")()

    async def Cleanup(self, _):
        return message("pb.Empty")()

    async def InvalidateKey(self, _):
        return message("pb.Empty")()

    async def HandleExistenceCheck(self, arguments):
        found = await self.host.get(message("pb.StorageGetArgs")(key=arguments.request.path))
        return message("pb.HandleExistenceCheckReply")(check_found=True, exists=found.HasField("entry"))

    async def HandleRequest(self, arguments):
        request, reply = arguments.request, message("pb.HandleRequestReply")()
        if not request.path.startswith("texts/"):
            reply.err.err_type = UNSUPPORTED_PATH
        elif request.operation == "read":
            found = await self.host.get(message("pb.StorageGetArgs")(key=request.path))
            if found.HasField("entry"):
                reply.response.data = json.dumps({"text": found.entry.value.decode(), "operation": found.entry.key})
        elif request.operation in ("create", "update"):
            await self.write(request)
        else:
            reply.err.err_type = UNSUPPORTED_OPERATION
        return reply

    async def write(self, request):
        put = message("pb.StoragePutArgs")()
        put.entry.key, put.entry.value = request.path, json.loads(request.data)["text"].encode()
        await self.host.put(put)
        event = message("pb.SendEventRequest")(event_type="texts/" + request.operation)
        event.event.id = str(uuid.uuid4())
        for key, value in {"path": request.path, "data_path": request.path, "operation": request.operation, "modified": "true"}.items():
            event.event.metadata.fields[key].string_value = value
        await self.host.send_event(event)


class Texts(Plugin):
    def servicers(self, broker):
        return [Backend(broker)]

    def stub(self, broker, channel):
        raise NotImplementedError("a plugin, not a host")


if __name__ == "__main__":
    serve(ServeConfig(
        handshake_config=HandshakeConfig(5, "VAULT_BACKEND_PLUGIN", "6669da05-b1c8-4f49-97d9-c8e5bed98e20"),
        plugins={5: {"backend": Texts()}}))
