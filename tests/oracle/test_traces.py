"""Traces arrive at a collector where one is named."""

import queue
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as collector
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as collector_grpc

from costmodel.oracle.proto import oracle_pb2 as pb


class Collector(collector_grpc.TraceServiceServicer):
    """Keeps the names of services and spans that are sent to it."""

    def __init__(self):
        self.spans = queue.Queue()

    def Export(self, request, context):
        for of in request.resource_spans:
            service = {one.key: one.value.string_value for one in of.resource.attributes}
            for scope in of.scope_spans:
                for span in scope.spans:
                    self.spans.put((service["service.name"], span.name))
        return collector.ExportTraceServiceResponse()


@pytest.fixture
def traced():
    server = grpc.server(ThreadPoolExecutor(2))
    port = server.add_insecure_port("127.0.0.1:0")
    found = Collector()
    collector_grpc.add_TraceServiceServicer_to_server(found, server)
    server.start()
    yield f"http://127.0.0.1:{port}", found.spans
    server.stop(None)


def test_a_call_is_a_span(serve, traced):
    endpoint, spans = traced
    server = serve(environment={
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_INSECURE": "true",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    })  # fmt: skip
    server.stub().ListTargets(pb.ListTargetsRequest())
    assert spans.get(timeout=60) == ("costmodel-oracle", "/costmodel.v1.Oracle/ListTargets")
