// A client of the oracle: what a kernel costs, and which of its schedules are fast.
//
// Latencies are in microseconds. Nothing here throws: a call gives a value or an error. An Oracle
// may be used by many threads at once.
#ifndef COSTMODEL_ORACLE_H_
#define COSTMODEL_ORACLE_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace costmodel {

// Why a call gave nothing.
struct Error {
  enum class Kind {
    kInput,        // the request cannot be used: the kernel, its size, a name, an option, a token
    kUnreachable,  // nobody answers, or not in time
    kOverloaded,   // come again later
    kOther,        // a fault of the server
  };
  Kind kind = Kind::kOther;
  std::string code;     // of gRPC, "INVALID_ARGUMENT"
  std::string reason;   // the server's name of it, "ParseError"; may be empty
  std::string message;  // what was wrong
  std::string hint;     // what to do about it; may be empty
  std::string file;     // where in the kernel; empty where that is not known
  int line = 0;         // from 1
  int column = 0;       // from 1

  // "kernel.mlir:3:14: error: message", and the hint in a second line.
  std::string Text() const;
};

// A value, or the error that there is in its place.
template <typename T>
class Result {
 public:
  Result(T value) : value_(std::move(value)) {}      // NOLINT: converts on purpose
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: converts on purpose

  explicit operator bool() const { return value_.has_value(); }
  const T& operator*() const { return *value_; }
  const T* operator->() const { return &*value_; }
  const Error& error() const { return error_; }

 private:
  std::optional<T> value_;
  Error error_;
};

// All of a file. One that cannot be read, or has nothing in it, is an error of the kind kInput.
Result<std::string> ReadFile(const std::string& path);

// How to reach the server.
struct Connection {
  std::string address = "127.0.0.1:50151";  // HOST:PORT or unix:PATH
  bool tls = false;
  std::string ca_file;    // the authority of the server's certificate; the system's where empty
  std::string cert_file;  // the client's certificate and its key, for mutual TLS
  std::string key_file;
  std::string token;  // is sent with each call, without the white space around it; by TLS, or
                      // within this machine alone
};

// Of every call.
struct CallOptions {
  std::string function;   // which function of the text, where there are several
  std::string backend;    // "tvm", "iree" or both where empty
  std::string target;     // hash of a target that the server knows; its own machine where empty
  std::string file_name;  // what errors call the text, with ? for what is no UTF-8
  std::chrono::milliseconds timeout{60'000};
};

struct RankOptions : CallOptions {
  std::uint32_t count = 256;  // schedules to draw
  std::uint32_t seed = 0;
  std::uint32_t top = 0;  // how many to give back, all where 0
};

struct RankedSchedule {
  std::uint32_t rank = 0;  // from 1
  std::string backend;
  std::string text;  // JSON that the backend can replay
  std::string hash;
  double predicted_us = 0;
  double low_us = 0;  // bounds of the 90% interval
  double high_us = 0;
  std::optional<double> measured_us;  // where it has been measured
};

struct Ranking {
  std::string workload;  // hash of the canonical text
  std::string function;
  std::string target;  // a readable name
  std::string model;
  std::vector<RankedSchedule> schedules;  // fastest predicted first
  std::vector<std::string> notes;
};

struct Prediction {
  std::string workload;
  std::string function;
  std::string target;
  std::string model;
  double latency_us = 0;  // once tuned, with the bounds of the 90% interval
  double low_us = 0;
  double high_us = 0;
  double roofline_us = 0;  // the least that the machine allows
  double flops = 0;        // floating-point operations of one run
  std::uint64_t bytes = 0;
  std::optional<double> untuned_us;   // by the compiler's default, where the model tells
  std::optional<double> measured_us;  // the best that was measured
  std::vector<std::string> notes;
};

struct Known {
  std::string workload;
  double latency_us = 0;  // median of all samples
  std::string backend;
  std::string text;  // the schedule, JSON
  std::string measurement_id;
};

class Oracle {
 public:
  // Says no more than whether the files and the token can be used: nobody is asked yet.
  static Result<std::shared_ptr<Oracle>> Connect(const Connection& connection);
  virtual ~Oracle() = default;

  virtual Result<Ranking> Rank(const std::string& mlir, const RankOptions& options = {}) = 0;
  virtual Result<Prediction> Predict(const std::string& mlir, const CallOptions& options = {}) = 0;
  // The best schedule that is known by the compilers that the server has installed; nothing where
  // none is. A target that the server does not know is an error.
  virtual Result<std::optional<Known>> Lookup(const std::string& mlir,
                                              const CallOptions& options = {}) = 0;
};

}  // namespace costmodel

#endif  // COSTMODEL_ORACLE_H_
