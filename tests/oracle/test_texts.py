"""What the server remembers of texts has an end in bytes."""

from costmodel.oracle import texts
from costmodel.oracle.proto import oracle_pb2 as pb


def test_the_last_prediction_is_kept_by_target_and_backend():
    kept = texts.Texts()
    kept.keep_prediction("k", "t", "tvm", pb.PredictResponse(latency_us=2.0))
    kept.keep_prediction("k", "t", "tvm", pb.PredictResponse(latency_us=2.0, measured_us=1.0))
    assert kept.prediction("k", "t", "tvm").measured_us == 1.0
    assert kept.prediction("k", "t", "iree") is None


def test_large_predictions_are_kept_while_there_is_room(monkeypatch):
    monkeypatch.setattr(texts, "_KEPT_BYTES", 10_000)
    kept = texts.Texts()
    for number in range(10):
        kept.keep_prediction(str(number), "t", "tvm", pb.PredictResponse(function="f" * 2000))
    kept.keep_prediction("too large", "t", "tvm", pb.PredictResponse(function="f" * 20_000))
    found = [n for n in map(str, range(10)) if kept.prediction(n, "t", "tvm") is not None]
    assert found == ["7", "8", "9"]
    assert kept.prediction("too large", "t", "tvm") is None


def test_a_text_is_known_by_all_that_makes_errors_differ():
    keys = {
        texts.text_key(pb.Workload(mlir=mlir, function=function, file_name=name))
        for mlir in ("a", "b")
        for function in ("", "a")
        for name in ("", "a")
    }
    assert len(keys) == 8
