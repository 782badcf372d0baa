"""TVM: TensorIR from MLIR, MetaSchedule's space, shared libraries."""
