"""Traces of calls by OpenTelemetry, where it is installed and its variables say where they go."""

from __future__ import annotations

import os
from collections.abc import Sequence

import grpc

from costmodel.errors import UsageError

__all__ = ["interceptors"]

#: Either one asks for traces (OpenTelemetry's specification of OTLP exporters).
_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def interceptors() -> Sequence[grpc.aio.ServerInterceptor]:
    """What makes a span of each call; none where nobody asked for traces.

    Raises UsageError where somebody did and the packages are missing.
    """
    asked = [name for name in _VARIABLES if os.environ.get(name)]
    if not asked or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return ()
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.grpc import aio_server_interceptor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise UsageError(
            f"${asked[0]} asks for traces, and {error.name} is not installed",
            hint="pip install 'costmodel-oracle[otel]', or unset the variable",
        ) from error
    name = {"service.name": os.environ.get("OTEL_SERVICE_NAME", "costmodel-oracle")}
    provider = TracerProvider(resource=Resource.create(name))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return (aio_server_interceptor(tracer_provider=provider),)
