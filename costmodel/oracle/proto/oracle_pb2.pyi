import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_OK: _ClassVar[Outcome]
    OUTCOME_INVALID_SCHEDULE: _ClassVar[Outcome]
    OUTCOME_BUILD_ERROR: _ClassVar[Outcome]
    OUTCOME_BUILD_TIMEOUT: _ClassVar[Outcome]
    OUTCOME_RUN_ERROR: _ClassVar[Outcome]
    OUTCOME_RUN_TIMEOUT: _ClassVar[Outcome]
    OUTCOME_CRASH: _ClassVar[Outcome]
    OUTCOME_OUT_OF_MEMORY: _ClassVar[Outcome]
    OUTCOME_WRONG_RESULT: _ClassVar[Outcome]

class TuneState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TUNE_STATE_UNSPECIFIED: _ClassVar[TuneState]
    TUNE_STATE_QUEUED: _ClassVar[TuneState]
    TUNE_STATE_RUNNING: _ClassVar[TuneState]
    TUNE_STATE_DONE: _ClassVar[TuneState]
    TUNE_STATE_FAILED: _ClassVar[TuneState]
    TUNE_STATE_CANCELLED: _ClassVar[TuneState]
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_OK: Outcome
OUTCOME_INVALID_SCHEDULE: Outcome
OUTCOME_BUILD_ERROR: Outcome
OUTCOME_BUILD_TIMEOUT: Outcome
OUTCOME_RUN_ERROR: Outcome
OUTCOME_RUN_TIMEOUT: Outcome
OUTCOME_CRASH: Outcome
OUTCOME_OUT_OF_MEMORY: Outcome
OUTCOME_WRONG_RESULT: Outcome
TUNE_STATE_UNSPECIFIED: TuneState
TUNE_STATE_QUEUED: TuneState
TUNE_STATE_RUNNING: TuneState
TUNE_STATE_DONE: TuneState
TUNE_STATE_FAILED: TuneState
TUNE_STATE_CANCELLED: TuneState

class Workload(_message.Message):
    __slots__ = ("mlir", "hash", "function", "file_name")
    MLIR_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    mlir: str
    hash: str
    function: str
    file_name: str
    def __init__(self, mlir: _Optional[str] = ..., hash: _Optional[str] = ..., function: _Optional[str] = ..., file_name: _Optional[str] = ...) -> None: ...

class Target(_message.Message):
    __slots__ = ("kind", "arch", "cpu", "features", "threads", "cache_bytes", "vector_bytes", "peak_flops", "bandwidth")
    class PeakFlopsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    KIND_FIELD_NUMBER: _ClassVar[int]
    ARCH_FIELD_NUMBER: _ClassVar[int]
    CPU_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    CACHE_BYTES_FIELD_NUMBER: _ClassVar[int]
    VECTOR_BYTES_FIELD_NUMBER: _ClassVar[int]
    PEAK_FLOPS_FIELD_NUMBER: _ClassVar[int]
    BANDWIDTH_FIELD_NUMBER: _ClassVar[int]
    kind: str
    arch: str
    cpu: str
    features: _containers.RepeatedScalarFieldContainer[str]
    threads: int
    cache_bytes: _containers.RepeatedScalarFieldContainer[int]
    vector_bytes: int
    peak_flops: _containers.ScalarMap[str, float]
    bandwidth: float
    def __init__(self, kind: _Optional[str] = ..., arch: _Optional[str] = ..., cpu: _Optional[str] = ..., features: _Optional[_Iterable[str]] = ..., threads: _Optional[int] = ..., cache_bytes: _Optional[_Iterable[int]] = ..., vector_bytes: _Optional[int] = ..., peak_flops: _Optional[_Mapping[str, float]] = ..., bandwidth: _Optional[float] = ...) -> None: ...

class TargetRef(_message.Message):
    __slots__ = ("hash", "facts")
    HASH_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    hash: str
    facts: Target
    def __init__(self, hash: _Optional[str] = ..., facts: _Optional[_Union[Target, _Mapping]] = ...) -> None: ...

class Schedule(_message.Message):
    __slots__ = ("backend", "text")
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    backend: str
    text: str
    def __init__(self, backend: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class PredictRequest(_message.Message):
    __slots__ = ("workload", "target", "backend")
    WORKLOAD_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    workload: Workload
    target: TargetRef
    backend: str
    def __init__(self, workload: _Optional[_Union[Workload, _Mapping]] = ..., target: _Optional[_Union[TargetRef, _Mapping]] = ..., backend: _Optional[str] = ...) -> None: ...

class Untuned(_message.Message):
    __slots__ = ("compiler", "latency_us", "low_us", "high_us", "vector_registers", "spills", "instructions", "code_bytes", "vector_share", "utilization")
    COMPILER_FIELD_NUMBER: _ClassVar[int]
    LATENCY_US_FIELD_NUMBER: _ClassVar[int]
    LOW_US_FIELD_NUMBER: _ClassVar[int]
    HIGH_US_FIELD_NUMBER: _ClassVar[int]
    VECTOR_REGISTERS_FIELD_NUMBER: _ClassVar[int]
    SPILLS_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    CODE_BYTES_FIELD_NUMBER: _ClassVar[int]
    VECTOR_SHARE_FIELD_NUMBER: _ClassVar[int]
    UTILIZATION_FIELD_NUMBER: _ClassVar[int]
    compiler: str
    latency_us: float
    low_us: float
    high_us: float
    vector_registers: int
    spills: float
    instructions: float
    code_bytes: float
    vector_share: float
    utilization: float
    def __init__(self, compiler: _Optional[str] = ..., latency_us: _Optional[float] = ..., low_us: _Optional[float] = ..., high_us: _Optional[float] = ..., vector_registers: _Optional[int] = ..., spills: _Optional[float] = ..., instructions: _Optional[float] = ..., code_bytes: _Optional[float] = ..., vector_share: _Optional[float] = ..., utilization: _Optional[float] = ...) -> None: ...

class PredictResponse(_message.Message):
    __slots__ = ("workload", "function", "target", "backend", "model", "latency_us", "low_us", "high_us", "roofline_us", "flops", "bytes", "intensity", "measured_us", "untuned", "notes", "target_hash")
    WORKLOAD_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LATENCY_US_FIELD_NUMBER: _ClassVar[int]
    LOW_US_FIELD_NUMBER: _ClassVar[int]
    HIGH_US_FIELD_NUMBER: _ClassVar[int]
    ROOFLINE_US_FIELD_NUMBER: _ClassVar[int]
    FLOPS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    INTENSITY_FIELD_NUMBER: _ClassVar[int]
    MEASURED_US_FIELD_NUMBER: _ClassVar[int]
    UNTUNED_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    TARGET_HASH_FIELD_NUMBER: _ClassVar[int]
    workload: str
    function: str
    target: str
    backend: str
    model: str
    latency_us: float
    low_us: float
    high_us: float
    roofline_us: float
    flops: float
    bytes: int
    intensity: float
    measured_us: float
    untuned: Untuned
    notes: _containers.RepeatedScalarFieldContainer[str]
    target_hash: str
    def __init__(self, workload: _Optional[str] = ..., function: _Optional[str] = ..., target: _Optional[str] = ..., backend: _Optional[str] = ..., model: _Optional[str] = ..., latency_us: _Optional[float] = ..., low_us: _Optional[float] = ..., high_us: _Optional[float] = ..., roofline_us: _Optional[float] = ..., flops: _Optional[float] = ..., bytes: _Optional[int] = ..., intensity: _Optional[float] = ..., measured_us: _Optional[float] = ..., untuned: _Optional[_Union[Untuned, _Mapping]] = ..., notes: _Optional[_Iterable[str]] = ..., target_hash: _Optional[str] = ...) -> None: ...

class RankRequest(_message.Message):
    __slots__ = ("workload", "target", "backend", "schedules", "count", "seed", "top")
    WORKLOAD_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    SCHEDULES_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    workload: Workload
    target: TargetRef
    backend: str
    schedules: _containers.RepeatedCompositeFieldContainer[Schedule]
    count: int
    seed: int
    top: int
    def __init__(self, workload: _Optional[_Union[Workload, _Mapping]] = ..., target: _Optional[_Union[TargetRef, _Mapping]] = ..., backend: _Optional[str] = ..., schedules: _Optional[_Iterable[_Union[Schedule, _Mapping]]] = ..., count: _Optional[int] = ..., seed: _Optional[int] = ..., top: _Optional[int] = ...) -> None: ...

class RankedSchedule(_message.Message):
    __slots__ = ("rank", "index", "schedule", "schedule_hash", "predicted_us", "low_us", "high_us", "measured_us", "log_std")
    RANK_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_HASH_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_US_FIELD_NUMBER: _ClassVar[int]
    LOW_US_FIELD_NUMBER: _ClassVar[int]
    HIGH_US_FIELD_NUMBER: _ClassVar[int]
    MEASURED_US_FIELD_NUMBER: _ClassVar[int]
    LOG_STD_FIELD_NUMBER: _ClassVar[int]
    rank: int
    index: int
    schedule: Schedule
    schedule_hash: str
    predicted_us: float
    low_us: float
    high_us: float
    measured_us: float
    log_std: float
    def __init__(self, rank: _Optional[int] = ..., index: _Optional[int] = ..., schedule: _Optional[_Union[Schedule, _Mapping]] = ..., schedule_hash: _Optional[str] = ..., predicted_us: _Optional[float] = ..., low_us: _Optional[float] = ..., high_us: _Optional[float] = ..., measured_us: _Optional[float] = ..., log_std: _Optional[float] = ...) -> None: ...

class RankResponse(_message.Message):
    __slots__ = ("workload", "function", "target", "backend", "model", "schedules", "notes", "target_hash")
    WORKLOAD_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SCHEDULES_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    TARGET_HASH_FIELD_NUMBER: _ClassVar[int]
    workload: str
    function: str
    target: str
    backend: str
    model: str
    schedules: _containers.RepeatedCompositeFieldContainer[RankedSchedule]
    notes: _containers.RepeatedScalarFieldContainer[str]
    target_hash: str
    def __init__(self, workload: _Optional[str] = ..., function: _Optional[str] = ..., target: _Optional[str] = ..., backend: _Optional[str] = ..., model: _Optional[str] = ..., schedules: _Optional[_Iterable[_Union[RankedSchedule, _Mapping]]] = ..., notes: _Optional[_Iterable[str]] = ..., target_hash: _Optional[str] = ...) -> None: ...

class LookupRequest(_message.Message):
    __slots__ = ("workload", "target", "backend", "toolchain", "any_toolchain")
    WORKLOAD_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    TOOLCHAIN_FIELD_NUMBER: _ClassVar[int]
    ANY_TOOLCHAIN_FIELD_NUMBER: _ClassVar[int]
    workload: Workload
    target: TargetRef
    backend: str
    toolchain: str
    any_toolchain: bool
    def __init__(self, workload: _Optional[_Union[Workload, _Mapping]] = ..., target: _Optional[_Union[TargetRef, _Mapping]] = ..., backend: _Optional[str] = ..., toolchain: _Optional[str] = ..., any_toolchain: _Optional[bool] = ...) -> None: ...

class LookupResponse(_message.Message):
    __slots__ = ("workload", "target_hash", "best", "latency_us", "outcomes")
    class OutcomesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    WORKLOAD_FIELD_NUMBER: _ClassVar[int]
    TARGET_HASH_FIELD_NUMBER: _ClassVar[int]
    BEST_FIELD_NUMBER: _ClassVar[int]
    LATENCY_US_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    workload: str
    target_hash: str
    best: Measurement
    latency_us: float
    outcomes: _containers.ScalarMap[str, int]
    def __init__(self, workload: _Optional[str] = ..., target_hash: _Optional[str] = ..., best: _Optional[_Union[Measurement, _Mapping]] = ..., latency_us: _Optional[float] = ..., outcomes: _Optional[_Mapping[str, int]] = ...) -> None: ...

class ListMeasurementsRequest(_message.Message):
    __slots__ = ("workload", "target", "backend")
    WORKLOAD_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    workload: Workload
    target: TargetRef
    backend: str
    def __init__(self, workload: _Optional[_Union[Workload, _Mapping]] = ..., target: _Optional[_Union[TargetRef, _Mapping]] = ..., backend: _Optional[str] = ...) -> None: ...

class TimingPolicy(_message.Message):
    __slots__ = ("warmup", "min_sample_us", "min_samples", "max_samples", "precision", "budget_s", "build_timeout_s", "run_timeout_s", "memory_bytes")
    WARMUP_FIELD_NUMBER: _ClassVar[int]
    MIN_SAMPLE_US_FIELD_NUMBER: _ClassVar[int]
    MIN_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    MAX_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    BUDGET_S_FIELD_NUMBER: _ClassVar[int]
    BUILD_TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    RUN_TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    warmup: int
    min_sample_us: float
    min_samples: int
    max_samples: int
    precision: float
    budget_s: float
    build_timeout_s: float
    run_timeout_s: float
    memory_bytes: int
    def __init__(self, warmup: _Optional[int] = ..., min_sample_us: _Optional[float] = ..., min_samples: _Optional[int] = ..., max_samples: _Optional[int] = ..., precision: _Optional[float] = ..., budget_s: _Optional[float] = ..., build_timeout_s: _Optional[float] = ..., run_timeout_s: _Optional[float] = ..., memory_bytes: _Optional[int] = ...) -> None: ...

class Environment(_message.Message):
    __slots__ = ("versions", "machine_json")
    class VersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    MACHINE_JSON_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.ScalarMap[str, str]
    machine_json: str
    def __init__(self, versions: _Optional[_Mapping[str, str]] = ..., machine_json: _Optional[str] = ...) -> None: ...

class Measurement(_message.Message):
    __slots__ = ("id", "workload", "target", "schedule", "environment", "policy", "outcome", "samples_us", "time", "error", "build_seconds", "run_seconds", "max_error", "extra_json")
    ID_FIELD_NUMBER: _ClassVar[int]
    WORKLOAD_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_US_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    BUILD_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RUN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MAX_ERROR_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    id: str
    workload: str
    target: str
    schedule: Schedule
    environment: Environment
    policy: TimingPolicy
    outcome: Outcome
    samples_us: _containers.RepeatedScalarFieldContainer[float]
    time: _timestamp_pb2.Timestamp
    error: str
    build_seconds: float
    run_seconds: float
    max_error: float
    extra_json: str
    def __init__(self, id: _Optional[str] = ..., workload: _Optional[str] = ..., target: _Optional[str] = ..., schedule: _Optional[_Union[Schedule, _Mapping]] = ..., environment: _Optional[_Union[Environment, _Mapping]] = ..., policy: _Optional[_Union[TimingPolicy, _Mapping]] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., samples_us: _Optional[_Iterable[float]] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., error: _Optional[str] = ..., build_seconds: _Optional[float] = ..., run_seconds: _Optional[float] = ..., max_error: _Optional[float] = ..., extra_json: _Optional[str] = ...) -> None: ...

class RecordRequest(_message.Message):
    __slots__ = ("workloads", "targets", "measurements")
    WORKLOADS_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENTS_FIELD_NUMBER: _ClassVar[int]
    workloads: _containers.RepeatedCompositeFieldContainer[Workload]
    targets: _containers.RepeatedCompositeFieldContainer[Target]
    measurements: _containers.RepeatedCompositeFieldContainer[Measurement]
    def __init__(self, workloads: _Optional[_Iterable[_Union[Workload, _Mapping]]] = ..., targets: _Optional[_Iterable[_Union[Target, _Mapping]]] = ..., measurements: _Optional[_Iterable[_Union[Measurement, _Mapping]]] = ...) -> None: ...

class RecordResponse(_message.Message):
    __slots__ = ("added", "workloads")
    ADDED_FIELD_NUMBER: _ClassVar[int]
    WORKLOADS_FIELD_NUMBER: _ClassVar[int]
    added: int
    workloads: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, added: _Optional[int] = ..., workloads: _Optional[_Iterable[str]] = ...) -> None: ...

class TuneRequest(_message.Message):
    __slots__ = ("workload", "target", "backend", "trials", "budget", "seed", "request_id", "leased")
    WORKLOAD_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    LEASED_FIELD_NUMBER: _ClassVar[int]
    workload: Workload
    target: TargetRef
    backend: str
    trials: int
    budget: _duration_pb2.Duration
    seed: int
    request_id: str
    leased: bool
    def __init__(self, workload: _Optional[_Union[Workload, _Mapping]] = ..., target: _Optional[_Union[TargetRef, _Mapping]] = ..., backend: _Optional[str] = ..., trials: _Optional[int] = ..., budget: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., seed: _Optional[int] = ..., request_id: _Optional[str] = ..., leased: _Optional[bool] = ...) -> None: ...

class TuneOperation(_message.Message):
    __slots__ = ("name", "state", "workload", "function", "target_hash", "backend", "trials", "measured", "best_us", "created", "ended", "result", "error", "leased", "client")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    WORKLOAD_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    TARGET_HASH_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    MEASURED_FIELD_NUMBER: _ClassVar[int]
    BEST_US_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    LEASED_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: TuneState
    workload: str
    function: str
    target_hash: str
    backend: str
    trials: int
    measured: int
    best_us: float
    created: _timestamp_pb2.Timestamp
    ended: _timestamp_pb2.Timestamp
    result: TuneResult
    error: str
    leased: bool
    client: str
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[TuneState, str]] = ..., workload: _Optional[str] = ..., function: _Optional[str] = ..., target_hash: _Optional[str] = ..., backend: _Optional[str] = ..., trials: _Optional[int] = ..., measured: _Optional[int] = ..., best_us: _Optional[float] = ..., created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., result: _Optional[_Union[TuneResult, _Mapping]] = ..., error: _Optional[str] = ..., leased: _Optional[bool] = ..., client: _Optional[str] = ...) -> None: ...

class TuneResult(_message.Message):
    __slots__ = ("baseline_us", "best_us", "noise_us", "speedup", "gflops", "roofline_fraction", "trials", "measured", "failed", "cached", "seconds", "schedule", "model", "notes", "problems", "artifacts")
    class FailedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class ArtifactsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    BASELINE_US_FIELD_NUMBER: _ClassVar[int]
    BEST_US_FIELD_NUMBER: _ClassVar[int]
    NOISE_US_FIELD_NUMBER: _ClassVar[int]
    SPEEDUP_FIELD_NUMBER: _ClassVar[int]
    GFLOPS_FIELD_NUMBER: _ClassVar[int]
    ROOFLINE_FRACTION_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    MEASURED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    baseline_us: float
    best_us: float
    noise_us: float
    speedup: float
    gflops: float
    roofline_fraction: float
    trials: int
    measured: int
    failed: _containers.ScalarMap[str, int]
    cached: int
    seconds: float
    schedule: Schedule
    model: str
    notes: _containers.RepeatedScalarFieldContainer[str]
    problems: _containers.RepeatedScalarFieldContainer[str]
    artifacts: _containers.ScalarMap[str, str]
    def __init__(self, baseline_us: _Optional[float] = ..., best_us: _Optional[float] = ..., noise_us: _Optional[float] = ..., speedup: _Optional[float] = ..., gflops: _Optional[float] = ..., roofline_fraction: _Optional[float] = ..., trials: _Optional[int] = ..., measured: _Optional[int] = ..., failed: _Optional[_Mapping[str, int]] = ..., cached: _Optional[int] = ..., seconds: _Optional[float] = ..., schedule: _Optional[_Union[Schedule, _Mapping]] = ..., model: _Optional[str] = ..., notes: _Optional[_Iterable[str]] = ..., problems: _Optional[_Iterable[str]] = ..., artifacts: _Optional[_Mapping[str, str]] = ...) -> None: ...

class GetTuneRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class WatchTuneRequest(_message.Message):
    __slots__ = ("name", "skip")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SKIP_FIELD_NUMBER: _ClassVar[int]
    name: str
    skip: int
    def __init__(self, name: _Optional[str] = ..., skip: _Optional[int] = ...) -> None: ...

class TuneTrial(_message.Message):
    __slots__ = ("index", "schedule_hash", "outcome", "latency_us", "predicted_us", "elapsed_s", "source", "error", "backend", "best_us")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_HASH_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    LATENCY_US_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_US_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_S_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    BEST_US_FIELD_NUMBER: _ClassVar[int]
    index: int
    schedule_hash: str
    outcome: Outcome
    latency_us: float
    predicted_us: float
    elapsed_s: float
    source: str
    error: str
    backend: str
    best_us: float
    def __init__(self, index: _Optional[int] = ..., schedule_hash: _Optional[str] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., latency_us: _Optional[float] = ..., predicted_us: _Optional[float] = ..., elapsed_s: _Optional[float] = ..., source: _Optional[str] = ..., error: _Optional[str] = ..., backend: _Optional[str] = ..., best_us: _Optional[float] = ...) -> None: ...

class TuneEvent(_message.Message):
    __slots__ = ("number", "time", "phase", "trial", "end")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    number: int
    time: _timestamp_pb2.Timestamp
    phase: str
    trial: TuneTrial
    end: TuneOperation
    def __init__(self, number: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., phase: _Optional[str] = ..., trial: _Optional[_Union[TuneTrial, _Mapping]] = ..., end: _Optional[_Union[TuneOperation, _Mapping]] = ...) -> None: ...

class CancelTuneRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListTunesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTunesResponse(_message.Message):
    __slots__ = ("tunes", "next_page_token")
    TUNES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tunes: _containers.RepeatedCompositeFieldContainer[TuneOperation]
    next_page_token: str
    def __init__(self, tunes: _Optional[_Iterable[_Union[TuneOperation, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DownloadTuneRequest(_message.Message):
    __slots__ = ("name", "artifacts")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    artifacts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., artifacts: _Optional[_Iterable[str]] = ...) -> None: ...

class ArtifactChunk(_message.Message):
    __slots__ = ("artifact", "file_name", "data", "last")
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    artifact: str
    file_name: str
    data: bytes
    last: bool
    def __init__(self, artifact: _Optional[str] = ..., file_name: _Optional[str] = ..., data: _Optional[bytes] = ..., last: _Optional[bool] = ...) -> None: ...

class LeaseRequest(_message.Message):
    __slots__ = ("target", "count", "wait", "term")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    target: str
    count: int
    wait: _duration_pb2.Duration
    term: _duration_pb2.Duration
    def __init__(self, target: _Optional[str] = ..., count: _Optional[int] = ..., wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., term: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class LeasedCandidate(_message.Message):
    __slots__ = ("lease", "workload_text", "workload", "schedule", "policy", "expires", "tune")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    WORKLOAD_TEXT_FIELD_NUMBER: _ClassVar[int]
    WORKLOAD_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    TUNE_FIELD_NUMBER: _ClassVar[int]
    lease: str
    workload_text: str
    workload: str
    schedule: Schedule
    policy: TimingPolicy
    expires: _timestamp_pb2.Timestamp
    tune: str
    def __init__(self, lease: _Optional[str] = ..., workload_text: _Optional[str] = ..., workload: _Optional[str] = ..., schedule: _Optional[_Union[Schedule, _Mapping]] = ..., policy: _Optional[_Union[TimingPolicy, _Mapping]] = ..., expires: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., tune: _Optional[str] = ...) -> None: ...

class LeaseResponse(_message.Message):
    __slots__ = ("candidates",)
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    candidates: _containers.RepeatedCompositeFieldContainer[LeasedCandidate]
    def __init__(self, candidates: _Optional[_Iterable[_Union[LeasedCandidate, _Mapping]]] = ...) -> None: ...

class CompleteRequest(_message.Message):
    __slots__ = ("lease", "measurement")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENT_FIELD_NUMBER: _ClassVar[int]
    lease: str
    measurement: Measurement
    def __init__(self, lease: _Optional[str] = ..., measurement: _Optional[_Union[Measurement, _Mapping]] = ...) -> None: ...

class CompleteResponse(_message.Message):
    __slots__ = ("wanted",)
    WANTED_FIELD_NUMBER: _ClassVar[int]
    wanted: bool
    def __init__(self, wanted: _Optional[bool] = ...) -> None: ...

class ListTargetsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class KnownTarget(_message.Message):
    __slots__ = ("hash", "target", "own")
    HASH_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    OWN_FIELD_NUMBER: _ClassVar[int]
    hash: str
    target: Target
    own: bool
    def __init__(self, hash: _Optional[str] = ..., target: _Optional[_Union[Target, _Mapping]] = ..., own: _Optional[bool] = ...) -> None: ...

class ListTargetsResponse(_message.Message):
    __slots__ = ("targets", "next_page_token")
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    targets: _containers.RepeatedCompositeFieldContainer[KnownTarget]
    next_page_token: str
    def __init__(self, targets: _Optional[_Iterable[_Union[KnownTarget, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RegisterTargetRequest(_message.Message):
    __slots__ = ("target",)
    TARGET_FIELD_NUMBER: _ClassVar[int]
    target: Target
    def __init__(self, target: _Optional[_Union[Target, _Mapping]] = ...) -> None: ...

class RegisterTargetResponse(_message.Message):
    __slots__ = ("hash",)
    HASH_FIELD_NUMBER: _ClassVar[int]
    hash: str
    def __init__(self, hash: _Optional[str] = ...) -> None: ...
