#include "cli/operator_storage.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <ostream>
#include <system_error>

#include <boost/json/object.hpp>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/descriptor.h"
#include "cli/command.h"
#include "cli/json_text.h"
#include "cli/table.h"
#include "cli/text.h"
#include "server/configuration.h"
#include "server/offline.h"

namespace belfry::cli {
namespace {

constexpr std::string_view kOneServer =
    R"(The server must not run: one process at a time can have a data directory open. Run it as the
server's user.)";

absl::Status FileError(std::string_view what, const std::string& file) {
  const std::error_code error(errno, std::generic_category());
  return absl::UnavailableError(Concat("cannot ", what, " ", file, ": ", error.message()));
}

std::string UnsealText(const StoredSummary& stored) {
  if (stored.keys == 0) return "it has not been initialized";
  if (stored.seal != seal::SealKind::kShamir) {
    return Concat("the seal \"", NameOf(stored.seal), "\" that it was initialized with");
  }
  if (stored.keys == 1) return "its unseal key";
  return Concat(stored.keys_needed, " of its ", stored.keys, " unseal keys");
}

void Show(Terminal& terminal, bool json, const boost::json::object& what) {
  if (json) {
    *terminal.out << JsonText(what) << std::endl;
  } else {
    *terminal.out << KeyValueTable(what) << std::flush;
  }
}

boost::json::object Described(const StoredSummary& stored) {
  return {
      {"entries", stored.entries}, {"bytes", stored.bytes}, {"unseal_with", UnsealText(stored)}};
}

boost::json::object Described(const SnapshotSummary& snapshot) {
  boost::json::object described = Described(snapshot.stored);
  described["taken"] = absl::FormatTime(absl::RFC3339_sec, snapshot.taken, absl::UTCTimeZone());
  described["server_version"] = snapshot.version;
  return described;
}

// A file beside the one that it becomes once it is whole.
class NewFile {
 public:
  explicit NewFile(std::string name) : name_(std::move(name)) {}
  ~NewFile() {
    if (!part_.empty()) ::unlink(part_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  absl::Status Create() {
    std::error_code ignored;
    if (std::filesystem::exists(name_, ignored) &&
        !std::filesystem::is_regular_file(name_, ignored)) {
      return absl::InvalidArgumentError(Concat(name_, " is not a regular file: name another one"));
    }
    std::string part = name_ + ".part-XXXXXX";
    file_ = Descriptor(::mkostemp(part.data(), O_CLOEXEC));
    if (!file_.ok()) return FileError("create", name_);
    part_ = part;
    return absl::OkStatus();
  }
  absl::Status Append(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return FileError("write", name_);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return absl::OkStatus();
  }
  const std::string& part() const { return part_; }
  // Replaces what had the name before.
  absl::Status Finish() {
    if (::fsync(file_.get()) != 0) return FileError("write", name_);
    if (::rename(part_.c_str(), name_.c_str()) != 0) return FileError("create", name_);
    part_.clear();
    const std::filesystem::path folder = std::filesystem::path(name_).parent_path();
    const Descriptor directory(
        ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.ok() || ::fsync(directory.get()) != 0)
      return FileError("sync the folder of", name_);
    return absl::OkStatus();
  }

 private:
  const std::string name_;
  std::string part_;
  Descriptor file_;
};

absl::StatusOr<SnapshotSummary> Save(Client& client, const std::string& name) {
  NewFile file(name);
  if (absl::Status failed = file.Create(); !failed.ok()) return failed;
  const auto answer = client.Download(
      "sys/storage/snapshot", [&file](std::string_view piece) { return file.Append(piece); });
  if (!answer.ok()) return answer.status();
  if (!answer->ok()) {
    return absl::FailedPreconditionError(Concat("Error saving a snapshot: ", answer->ErrorText()));
  }
  absl::StatusOr<SnapshotSummary> saved = InspectSnapshot(file.part());
  if (!saved.ok()) {
    return absl::Status(
        saved.status().code(),
        Concat("what the server at ", client.connection().Origin(),
               " has sent cannot be kept: ", std::string(saved.status().message())));
  }
  if (absl::Status failed = file.Finish(); !failed.ok()) return failed;
  return saved;
}

int SaveSnapshot(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags(
      {.usage = "operator snapshot save [flags] FILE",
       .about =
           R"(Saves all that a server has stored, as it is at one moment, into FILE, while the server goes on.
It stays encrypted: restoring it needs the unseal keys, or the seal, of now. FILE is read
to its end before it replaces one of that name. Needs sudo and read on sys/storage/snapshot.)",
       .examples = {"belfry operator snapshot save /var/backups/belfry.snapshot"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 1, 1, terminal, &exit_code)) return exit_code;
  absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kSettingsError);
  const auto saved = Save(*client, flags.arguments().front());
  if (!saved.ok()) return Fail(terminal, saved.status(), kRequestError);
  Show(terminal, client_flags.Json(terminal), Described(*saved));
  return kSuccess;
}

int InspectSnapshotFile(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags(
      {.usage = "operator snapshot inspect FILE",
       .about = "Reads a snapshot to its end and says what is in it; nothing of it is decrypted.",
       .examples = {"belfry operator snapshot inspect /var/backups/belfry.snapshot"}});
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 1, 1, terminal, &exit_code)) return exit_code;
  const auto summary = InspectSnapshot(flags.arguments().front());
  if (!summary.ok()) return Fail(terminal, summary.status(), kRequestError);
  Show(terminal, false, Described(*summary));
  return kSuccess;
}

// The configuration that -config names.
class ConfigFlag {
 public:
  explicit ConfigFlag(Flags* flags) {
    flags->Add("config", "The server's configuration: a file or a directory; may be repeated.",
               &paths_);
  }
  absl::StatusOr<HostConfig> Read() const {
    if (!paths_.empty()) return ReadConfiguration(paths_);
    return absl::InvalidArgumentError("name the server's configuration with -config=PATH");
  }

 private:
  std::vector<std::string> paths_;
};

int RestoreSnapshotFile(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags(
      {.usage = "operator snapshot restore -config=PATH FILE",
       .about = Concat(
           R"(Fills the empty data directory that a configuration names with the snapshot in FILE. Then start
the server and unseal it with the unseal keys of the one that the snapshot is of.
)",
           kOneServer),
       .examples = {"belfry operator snapshot restore -config=/etc/belfry.d "
                    "/var/backups/belfry.snapshot"}});
  const ConfigFlag config_flag(&flags);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 1, 1, terminal, &exit_code)) return exit_code;
  const auto config = config_flag.Read();
  if (!config.ok()) return Fail(terminal, config.status(), kUsageError);
  const auto restored = RestoreSnapshot(flags.arguments().front(), *config);
  if (!restored.ok()) return Fail(terminal, restored.status(), kRequestError);
  std::error_code error;
  *terminal.out << "Success! Restored " << restored->stored.entries << " entries into "
                << std::filesystem::absolute(config->storage.path, error).native()
                << ". Start the server; what unseals it: " << UnsealText(restored->stored) << "."
                << std::endl;
  return kSuccess;
}

}  // namespace

int RunOperatorSnapshot(Terminal& terminal, const std::vector<std::string>& arguments) {
  return Dispatch("operator snapshot ",
                  {{"save", "Save all that a running server has stored", SaveSnapshot},
                   {"restore", "Fill an empty data directory", RestoreSnapshotFile},
                   {"inspect", "Say what a snapshot holds", InspectSnapshotFile}},
                  terminal, arguments);
}

int RunOperatorCheck(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags(
      {.usage = "operator check -config=PATH",
       .about = Concat(
           R"(Opens the data directory that a configuration names, as a start does, and reads all keys and
values, whose checksums are compared; nothing of it is decrypted.
)",
           kOneServer),
       .examples = {"belfry operator check -config=/etc/belfry.d"}});
  const ConfigFlag config_flag(&flags);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 0, 0, terminal, &exit_code)) return exit_code;
  const auto config = config_flag.Read();
  if (!config.ok()) return Fail(terminal, config.status(), kUsageError);
  const auto summary = CheckStorage(*config);
  if (!summary.ok()) return Fail(terminal, summary.status(), kRequestError);
  Show(terminal, false, Described(*summary));
  return kSuccess;
}

}  // namespace belfry::cli
