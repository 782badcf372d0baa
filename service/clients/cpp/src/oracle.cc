#include "costmodel/oracle.h"

#include <arpa/inet.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <fstream>
#include <iomanip>
#include <sstream>
#include <tuple>

#include "details.pb.h"
#include "oracle.grpc.pb.h"

namespace costmodel {
namespace {

namespace pb = costmodel::v1;

// Calls are made again where nobody answers or the server is busy, with growing pauses or after as
// long as it asks for: as by the client in Python (costmodel/oracle/channel.py).
constexpr char kService[] = R"({"methodConfig": [{
  "name": [{"service": "costmodel.v1.Oracle"}],
  "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "5s",
                  "backoffMultiplier": 2,
                  "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]}}]})";
constexpr int kMostBytes = 64 << 20;

const char* Name(grpc::StatusCode code) {
  switch (code) {
    case grpc::OK: return "OK";
    case grpc::CANCELLED: return "CANCELLED";
    case grpc::INVALID_ARGUMENT: return "INVALID_ARGUMENT";
    case grpc::DEADLINE_EXCEEDED: return "DEADLINE_EXCEEDED";
    case grpc::NOT_FOUND: return "NOT_FOUND";
    case grpc::ALREADY_EXISTS: return "ALREADY_EXISTS";
    case grpc::PERMISSION_DENIED: return "PERMISSION_DENIED";
    case grpc::RESOURCE_EXHAUSTED: return "RESOURCE_EXHAUSTED";
    case grpc::FAILED_PRECONDITION: return "FAILED_PRECONDITION";
    case grpc::ABORTED: return "ABORTED";
    case grpc::OUT_OF_RANGE: return "OUT_OF_RANGE";
    case grpc::UNIMPLEMENTED: return "UNIMPLEMENTED";
    case grpc::INTERNAL: return "INTERNAL";
    case grpc::UNAVAILABLE: return "UNAVAILABLE";
    case grpc::DATA_LOSS: return "DATA_LOSS";
    case grpc::UNAUTHENTICATED: return "UNAUTHENTICATED";
    default: return "UNKNOWN";
  }
}

Error::Kind KindOf(grpc::StatusCode code) {
  switch (code) {
    case grpc::INVALID_ARGUMENT:
    case grpc::NOT_FOUND:
    case grpc::PERMISSION_DENIED:
    case grpc::UNAUTHENTICATED:
    case grpc::FAILED_PRECONDITION:
      return Error::Kind::kInput;
    case grpc::UNAVAILABLE:
    case grpc::DEADLINE_EXCEEDED:
      return Error::Kind::kUnreachable;
    case grpc::RESOURCE_EXHAUSTED:
      return Error::Kind::kOverloaded;
    default:
      return Error::Kind::kOther;
  }
}

// Whether a message was larger than one side takes, which gRPC says by the code of a busy server.
bool TooLarge(const grpc::Status& status) {
  return status.error_code() == grpc::RESOURCE_EXHAUSTED &&
         status.error_message().find("larger than max") != std::string::npos;
}

// Of a number that the server wrote; 0 for anything else.
int Number(const std::string& text) {
  int value = 0;
  std::istringstream(text) >> value;
  return value;
}

Error ErrorOf(const grpc::Status& status, const std::string& address) {
  Error error;
  error.kind = KindOf(status.error_code());
  error.code = Name(status.error_code());
  error.message = status.error_message();
  google::rpc::Status details;
  if (details.ParseFromString(status.error_details())) {
    for (const auto& packed : details.details()) {
      google::rpc::ErrorInfo info;
      if (!packed.UnpackTo(&info) || info.domain() != "costmodel") continue;
      const auto& facts = info.metadata();
      const auto fact = [&facts](const char* name) {
        const auto found = facts.find(name);
        return found == facts.end() ? std::string() : found->second;
      };
      error.reason = info.reason();
      error.hint = fact("hint");
      error.file = fact("file");
      error.line = Number(fact("line"));
      error.column = Number(fact("column"));
    }
  }
  if (error.reason.empty() && TooLarge(status)) {
    error.kind = Error::Kind::kInput;
    error.message = "a message to or from " + address + " is too large: " + error.message;
    error.hint =
        "send or ask for less at once; of requests the server's operator may allow larger ones: "
        "`costmodel serve --max-message MIB`";
  }
  if (error.reason.empty() && error.kind == Error::Kind::kUnreachable) {
    error.message = "the oracle at " + address + " does not answer: " + error.message;
    error.hint = "is `costmodel serve` running there?";
  }
  return error;
}

Error InputError(std::string message, std::string hint = "") {
  Error error;
  error.kind = Error::Kind::kInput;
  error.code = "INVALID_ARGUMENT";
  error.message = std::move(message);
  error.hint = std::move(hint);
  return error;
}

Error FileError(const std::string& path, std::string message, std::string hint = "") {
  Error error = InputError(std::move(message), std::move(hint));
  error.file = path;
  return error;
}

// A PEM file that holds something; gRPC takes any text, and fails at the first call.
Result<std::string> ReadPem(const std::string& path, const char* label, const char* what) {
  Result<std::string> found = ReadFile(path);
  if (found && found->find(label) == std::string::npos) {
    return FileError(path, std::string("this is no ") + what,
                     "PEM is wanted, whose first line has five dashes and BEGIN");
  }
  return found;
}

bool Continues(char letter) { return (static_cast<unsigned char>(letter) & 0xc0) == 0x80; }

// Bytes of the character of UTF-8 that begins at a place of a text; 0 where none does.
std::size_t CharacterBytes(const std::string& text, std::size_t place) {
  const auto at = [&](std::size_t n) {
    return place + n < text.size() ? static_cast<unsigned char>(text[place + n]) : 0;
  };
  const unsigned first = at(0), second = at(1);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  // Longer than need be, halves of UTF-16's pairs, and beyond the last character.
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
      (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) {
    return 0;
  }
  const std::size_t bytes = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  for (std::size_t n = 1; n < bytes; ++n) {
    if (!Continues(static_cast<char>(at(n)))) return 0;
  }
  return bytes;
}

// Where a text is no UTF-8, from a place on; its size where it is.
std::size_t BadByte(const std::string& text, std::size_t place = 0) {
  while (place < text.size()) {
    const std::size_t bytes = CharacterBytes(text, place);
    if (bytes == 0) break;
    place += bytes;
  }
  return place;
}

Error NoUtf8(const std::string& text, std::size_t place, const std::string& file) {
  std::ostringstream message;
  message << "not UTF-8: byte 0x" << std::hex << std::setw(2) << std::setfill('0')
          << static_cast<unsigned>(static_cast<unsigned char>(text[place]));
  Error error = FileError(file.empty() ? "<text>" : file, message.str(), "save the file as UTF-8");
  const auto end = text.begin() + static_cast<std::ptrdiff_t>(place);
  const auto line = std::find(std::make_reverse_iterator(end), text.rend(), '\n').base();
  const auto starts = [](char letter) { return !Continues(letter); };
  error.line = 1 + static_cast<int>(std::count(text.begin(), line, '\n'));
  error.column = 1 + static_cast<int>(std::count_if(line, end, starts));
  return error;
}

// A token without the white space around it; nothing for one that no header can carry, which gRPC
// would end the process for.
std::optional<std::string> Trimmed(const std::string& token) {
  constexpr char kSpace[] = " \t\n\v\f\r";
  const auto first = token.find_first_not_of(kSpace);
  if (first == std::string::npos) return std::nullopt;
  std::string found = token.substr(first, token.find_last_not_of(kSpace) - first + 1);
  for (const char letter : found) {
    if (letter < '!' || letter > '~') return std::nullopt;
  }
  return found;
}

// Whether an address cannot leave this machine. A name that only begins as a number is none.
bool OnThisMachine(const std::string& address) {
  if (address.rfind("unix:", 0) == 0) return true;
  const std::string host = address.substr(0, address.rfind(':'));
  if (host == "localhost" || host == "[::1]") return true;
  in_addr number;
  return inet_pton(AF_INET, host.c_str(), &number) == 1 && (ntohl(number.s_addr) >> 24) == 127;
}

// Fills a request in. An error for what is not UTF-8, which protobuf would send with a complaint to
// standard error.
template <typename Request>
std::optional<Error> Describe(const std::string& mlir, const CallOptions& options,
                              Request* request) {
  const std::size_t bad = BadByte(mlir);
  if (bad < mlir.size()) return NoUtf8(mlir, bad, options.file_name);
  const std::pair<const char*, const std::string*> names[] = {
      {"function", &options.function}, {"backend", &options.backend}, {"target", &options.target}};
  for (const auto& [name, text] : names) {
    if (BadByte(*text) < text->size()) return InputError(std::string(name) + " is not UTF-8");
  }
  std::string file_name = options.file_name;
  for (std::size_t place = 0; (place = BadByte(file_name, place)) < file_name.size();) {
    file_name[place] = '?';
  }
  pb::Workload* workload = request->mutable_workload();
  workload->set_mlir(mlir);
  workload->set_function(options.function);
  workload->set_file_name(file_name);
  pb::TargetRef* target = request->mutable_target();
  if (!options.target.empty()) target->set_hash(options.target);
  request->set_backend(options.backend);
  return std::nullopt;
}

class GrpcOracle final : public Oracle {
 public:
  GrpcOracle(Connection connection, const std::shared_ptr<grpc::Channel>& channel)
      : connection_(std::move(connection)), stub_(pb::Oracle::NewStub(channel)) {}

  Result<Ranking> Rank(const std::string& mlir, const RankOptions& options) override {
    pb::RankRequest request;
    if (std::optional<Error> error = Describe(mlir, options, &request)) return *std::move(error);
    request.set_count(options.count);
    request.set_seed(options.seed);
    request.set_top(options.top);
    pb::RankResponse response;
    grpc::ClientContext context;
    Prepare(options, &context);
    const grpc::Status status = stub_->Rank(&context, request, &response);
    if (!status.ok()) return ErrorOf(status, connection_.address);
    Ranking ranking;
    ranking.workload = response.workload();
    ranking.function = response.function();
    ranking.target = response.target();
    ranking.model = response.model();
    ranking.notes.assign(response.notes().begin(), response.notes().end());
    for (const pb::RankedSchedule& one : response.schedules()) {
      RankedSchedule ranked;
      ranked.rank = one.rank();
      ranked.backend = one.schedule().backend();
      ranked.text = one.schedule().text();
      ranked.hash = one.schedule_hash();
      ranked.predicted_us = one.predicted_us();
      ranked.low_us = one.low_us();
      ranked.high_us = one.high_us();
      if (one.has_measured_us()) ranked.measured_us = one.measured_us();
      ranking.schedules.push_back(std::move(ranked));
    }
    return ranking;
  }

  Result<Prediction> Predict(const std::string& mlir, const CallOptions& options) override {
    pb::PredictRequest request;
    if (std::optional<Error> error = Describe(mlir, options, &request)) return *std::move(error);
    pb::PredictResponse response;
    grpc::ClientContext context;
    Prepare(options, &context);
    const grpc::Status status = stub_->Predict(&context, request, &response);
    if (!status.ok()) return ErrorOf(status, connection_.address);
    Prediction found;
    found.workload = response.workload();
    found.function = response.function();
    found.target = response.target();
    found.model = response.model();
    found.latency_us = response.latency_us();
    found.low_us = response.low_us();
    found.high_us = response.high_us();
    found.roofline_us = response.roofline_us();
    found.flops = response.flops();
    found.bytes = response.bytes();
    if (response.has_untuned()) found.untuned_us = response.untuned().latency_us();
    if (response.has_measured_us()) found.measured_us = response.measured_us();
    found.notes.assign(response.notes().begin(), response.notes().end());
    return found;
  }

  Result<std::optional<Known>> Lookup(const std::string& mlir,
                                      const CallOptions& options) override {
    pb::LookupRequest request;
    if (std::optional<Error> error = Describe(mlir, options, &request)) return *std::move(error);
    pb::LookupResponse response;
    grpc::ClientContext context;
    Prepare(options, &context);
    const grpc::Status status = stub_->Lookup(&context, request, &response);
    if (!status.ok()) {
      Error error = ErrorOf(status, connection_.address);
      if (error.reason == "NothingKnownError") return std::optional<Known>();
      return error;
    }
    Known known;
    known.workload = response.workload();
    known.latency_us = response.latency_us();
    known.backend = response.best().schedule().backend();
    known.text = response.best().schedule().text();
    known.measurement_id = response.best().id();
    return std::optional<Known>(std::move(known));
  }

 private:
  void Prepare(const CallOptions& options, grpc::ClientContext* context) const {
    context->set_deadline(std::chrono::system_clock::now() + options.timeout);
    if (!connection_.token.empty()) {
      context->AddMetadata("authorization", "Bearer " + connection_.token);
    }
  }

  const Connection connection_;
  const std::unique_ptr<pb::Oracle::Stub> stub_;
};

}  // namespace

std::string Error::Text() const {
  std::ostringstream text;
  if (!file.empty()) {
    text << file << ':';
    if (line > 0) text << line << ':' << column << ':';
    text << ' ';
  }
  text << "error: " << message;
  if (!hint.empty()) text << "\nhint: " << hint;
  return text.str();
}

Result<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file.is_open() && file.peek() == std::ifstream::traits_type::eof() && !file.bad()) {
    return FileError(path, "is empty");
  }
  if (!file || !(text << file.rdbuf())) return FileError(path, "cannot be read");
  return text.str();
}

Result<std::shared_ptr<Oracle>> Oracle::Connect(const Connection& connection) {
  Connection checked = connection;
  if (!connection.token.empty()) {
    const std::optional<std::string> token = Trimmed(connection.token);
    if (!token) {  // never the token itself: messages end up in logs
      return InputError("the token is empty or has characters that none has",
                        "it is one line, as `costmodel token` printed it");
    }
    checked.token = *token;
  }
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  grpc::ChannelArguments arguments;
  if (connection.tls) {
    grpc::SslCredentialsOptions files;
    constexpr char kCertificate[] = "-----BEGIN CERTIFICATE-----";
    constexpr char kKey[] = "PRIVATE KEY-----";  // after BEGIN, and perhaps its kind
    const std::tuple<const std::string*, std::string*, const char*, const char*> wanted[] = {
        {&connection.ca_file, &files.pem_root_certs, kCertificate, "certificate"},
        {&connection.cert_file, &files.pem_cert_chain, kCertificate, "certificate"},
        {&connection.key_file, &files.pem_private_key, kKey, "private key"}};
    for (const auto& [path, text, label, what] : wanted) {
      if (path->empty()) continue;
      const Result<std::string> found = ReadPem(*path, label, what);
      if (!found) return found.error();
      *text = *found;
    }
    if (files.pem_cert_chain.empty() != files.pem_private_key.empty()) {
      return InputError("a certificate and its key go together", "give both, or neither");
    }
    credentials = grpc::SslCredentials(files);
  } else {
    if (!connection.token.empty() && !OnThisMachine(connection.address)) {
      return InputError("a token is not sent to " + connection.address + " in the clear",
                        "use TLS");
    }
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  }
  arguments.SetServiceConfigJSON(kService);
  // So that each of a call's tries is one to connect, if it has to be.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  arguments.SetMaxReceiveMessageSize(kMostBytes);
  auto channel = grpc::CreateCustomChannel(connection.address, credentials, arguments);
  return std::shared_ptr<Oracle>(std::make_shared<GrpcOracle>(std::move(checked), channel));
}

}  // namespace costmodel
