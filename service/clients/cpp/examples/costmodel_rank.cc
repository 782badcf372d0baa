// Asks an oracle for the fastest schedules of a kernel. Exit status: 0 done, 1 could not, 2 bad
// input or usage.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>

#include "costmodel/oracle.h"

namespace {

constexpr char kUsage[] =
    "Usage: costmodel_rank [OPTIONS] FILE\n"
    "\n"
    "Ask an oracle (`costmodel serve`) for schedules of the kernel in FILE, fastest predicted "
    "first.\n"
    "\n"
    "  --oracle HOST:PORT   the server; by default $COSTMODEL_ORACLE, or else 127.0.0.1:50151\n"
    "  --tls                speak TLS; --ca FILE, --cert FILE and --key FILE imply it\n"
    "  --ca FILE            the authority of the server's certificate (PEM)\n"
    "  --cert FILE          the client's certificate, for mutual TLS\n"
    "  --key FILE           its key\n"
    "  --token-file FILE    a token; by default the one in $COSTMODEL_ORACLE_TOKEN\n"
    "  --function NAME      the function to take, where FILE has several\n"
    "  --n N                schedules to draw (256)\n"
    "  --top N              schedules to print (10)\n"
    "  --seed N             seed of the drawing (0)\n"
    "  --timeout S          seconds to wait for the answer (60)\n"
    "  --json               print one JSON object\n"
    "  --help               this text\n";

struct Arguments {
  costmodel::Connection connection;
  costmodel::RankOptions options;
  std::string file;
  std::optional<std::string> token_file;
  bool json = false;
  bool help = false;
};

int Fail(const std::string& message, int status = 2) {
  std::cerr << message << "\n";
  return status;
}

constexpr std::uint32_t kMost = 0x7fffffff;

bool ReadNumber(const std::string& text, std::uint32_t least, std::uint32_t* value) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos) return false;
  const unsigned long long number = std::strtoull(text.c_str(), nullptr, 10);
  *value = static_cast<std::uint32_t>(number);
  return text.size() <= 10 && number >= least && number <= kMost;
}

// Empty, or what is wrong with the command line.
std::string Parse(int count, char** values, Arguments* found) {
  if (const char* address = std::getenv("COSTMODEL_ORACLE")) found->connection.address = address;
  if (const char* token = std::getenv("COSTMODEL_ORACLE_TOKEN")) found->connection.token = token;
  found->options.top = 10;
  for (int place = 1; place < count; ++place) {
    const std::string name = values[place];
    if (name == "--help" || name == "-h") {
      found->help = true;
      return "";
    }
    if (name == "--json" || name == "--tls") {
      (name == "--json" ? found->json : found->connection.tls) = true;
      continue;
    }
    if (name.rfind("--", 0) != 0) {
      if (!found->file.empty()) return "one FILE, please: " + name;
      found->file = name;
      continue;
    }
    if (++place == count) return "the option " + name + " needs a value";
    const std::string value = values[place];
    std::uint32_t number = 0;
    if (name == "--oracle") {
      found->connection.address = value;
    } else if (name == "--ca" || name == "--cert" || name == "--key") {
      found->connection.tls = true;
      (name == "--ca"     ? found->connection.ca_file
       : name == "--cert" ? found->connection.cert_file
                          : found->connection.key_file) = value;
    } else if (name == "--token-file") {
      found->token_file = value;
    } else if (name == "--function") {
      found->options.function = value;
    } else if (name == "--n" || name == "--top" || name == "--seed" || name == "--timeout") {
      const std::uint32_t least = name == "--timeout" ? 1 : 0;
      if (!ReadNumber(value, least, &number)) {
        return name + ": " + value + " is no whole number from " + std::to_string(least) + " to " +
               std::to_string(kMost);
      }
      if (name == "--n") found->options.count = number;
      if (name == "--top") found->options.top = number;
      if (name == "--seed") found->options.seed = number;
      if (name == "--timeout") found->options.timeout = std::chrono::seconds(number);
    } else {
      return "no option is called " + name;
    }
  }
  return found->file.empty() ? "there is no FILE" : "";
}

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char letter : text) {
    const auto code = static_cast<unsigned char>(letter);
    if (letter == '"' || letter == '\\') quoted += '\\';
    if (code < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", code);
      quoted += escape;
    } else {
      quoted += letter;
    }
  }
  return quoted + '"';
}

std::string Exact(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

void PrintJson(const costmodel::Ranking& ranking) {
  std::cout << "{\"workload\": " << Quoted(ranking.workload)
            << ", \"function\": " << Quoted(ranking.function)
            << ", \"target\": " << Quoted(ranking.target)
            << ", \"model\": " << Quoted(ranking.model) << ", \"schedules\": [";
  const char* between = "";
  for (const costmodel::RankedSchedule& one : ranking.schedules) {
    std::cout << between << "{\"rank\": " << one.rank << ", \"backend\": " << Quoted(one.backend)
              << ", \"schedule_hash\": " << Quoted(one.hash)
              << ", \"predicted_us\": " << Exact(one.predicted_us)
              << ", \"low_us\": " << Exact(one.low_us) << ", \"high_us\": " << Exact(one.high_us)
              << ", \"measured_us\": " << (one.measured_us ? Exact(*one.measured_us) : "null")
              << ", \"schedule\": " << one.text << "}";
    between = ", ";
  }
  std::cout << "], \"notes\": [";
  between = "";
  for (const std::string& note : ranking.notes) {
    std::cout << between << Quoted(note);
    between = ", ";
  }
  std::cout << "]}\n";
}

// Three significant digits, never in scientific notation.
std::string Digits(double value) {
  const int magnitude = value > 0 ? static_cast<int>(std::floor(std::log10(value))) : 0;
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", magnitude < 2 ? std::min(2 - magnitude, 20) : 0, value);
  return text;
}

void PrintTable(const costmodel::Ranking& ranking) {
  std::printf("%s on %s, by %s\n", ranking.function.c_str(), ranking.target.c_str(),
              ranking.model.c_str());
  std::printf("%6s  %-8s %12s %25s  %s\n", "rank", "backend", "predicted us", "90% interval us",
              "schedule");
  for (const costmodel::RankedSchedule& one : ranking.schedules) {
    std::printf("%6u  %-8s %12s %11s to %10s  %s\n", one.rank, one.backend.c_str(),
                Digits(one.predicted_us).c_str(), Digits(one.low_us).c_str(),
                Digits(one.high_us).c_str(), one.hash.substr(0, 12).c_str());
  }
  for (const std::string& note : ranking.notes) std::printf("note: %s\n", note.c_str());
}

}  // namespace

int main(int count, char** values) {
  Arguments given;
  const std::string wrong = Parse(count, values, &given);
  if (!wrong.empty()) return Fail("error: " + wrong + "\nhint: `costmodel_rank --help`");
  if (given.help) {
    std::cout << kUsage;
    return 0;
  }
  if (given.token_file) {
    const auto token = costmodel::ReadFile(*given.token_file);
    if (!token) return Fail(token.error().Text());
    given.connection.token = *token;
  }
  const auto mlir = costmodel::ReadFile(given.file);
  if (!mlir) return Fail(mlir.error().Text());
  given.options.file_name = given.file;
  const auto oracle = costmodel::Oracle::Connect(given.connection);
  if (!oracle) return Fail(oracle.error().Text());
  const auto ranking = (*oracle)->Rank(*mlir, given.options);
  if (!ranking) {
    const bool input = ranking.error().kind == costmodel::Error::Kind::kInput;
    return Fail(ranking.error().Text(), input ? 2 : 1);
  }
  if (given.json) {
    PrintJson(*ranking);
  } else {
    PrintTable(*ranking);
  }
  return 0;
}
