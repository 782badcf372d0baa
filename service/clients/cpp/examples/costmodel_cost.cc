// Asks an oracle what a kernel takes: predicted, and the best that was measured, on the server's
// machine or another target that it knows. Exit status: 0 done, 1 could not, 2 bad input or usage.
#include <cstdio>
#include <iostream>
#include <string>

#include "costmodel/oracle.h"

namespace {

int Fail(const costmodel::Error& error) {
  std::cerr << error.Text() << "\n";
  return error.kind == costmodel::Error::Kind::kInput ? 2 : 1;
}

}  // namespace

int main(int count, char** values) {
  if (count != 3 && count != 4) {
    std::cerr << "Usage: costmodel_cost HOST:PORT FILE [TARGET]\n";
    return 2;
  }
  costmodel::Connection connection;
  connection.address = values[1];
  costmodel::CallOptions options;
  options.file_name = values[2];
  if (count == 4) options.target = values[3];
  const auto mlir = costmodel::ReadFile(options.file_name);
  if (!mlir) return Fail(mlir.error());
  const auto oracle = costmodel::Oracle::Connect(connection);
  if (!oracle) return Fail(oracle.error());

  const auto predicted = (*oracle)->Predict(*mlir, options);
  if (!predicted) return Fail(predicted.error());
  std::printf("%s on %s\n", predicted->function.c_str(), predicted->target.c_str());
  std::printf("predicted  %.6g us, %.6g to %.6g, by %s\n", predicted->latency_us,
              predicted->low_us, predicted->high_us, predicted->model.c_str());
  if (predicted->untuned_us) std::printf("untuned    %.6g us\n", *predicted->untuned_us);
  std::printf("roofline   %.6g us: %.6g FLOP, %llu bytes\n", predicted->roofline_us,
              predicted->flops, static_cast<unsigned long long>(predicted->bytes));

  const auto known = (*oracle)->Lookup(*mlir, options);
  if (!known) return Fail(known.error());
  if (*known) {
    std::printf("measured   %.6g us, by %s: %s\n", (*known)->latency_us,
                (*known)->backend.c_str(), (*known)->text.c_str());
  } else {
    std::printf("measured   nothing yet\n");
  }
  return 0;
}
