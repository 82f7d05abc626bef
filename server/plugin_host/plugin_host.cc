#include "server/plugin_host/plugin_host.h"

#include <utility>

#include "server/base/executor.h"
#include "server/base/text.h"
#include "server/plugin_host/catalog.h"
#include "server/plugin_host/plugin_engine.h"
#include "server/plugin_host/plugin_instance.h"
#include "server/plugin_host/socket_directory.h"

namespace belfry::plugin_host {
namespace {

constexpr std::size_t kRestartThreads = 2;

logical::EventPluginInfo PluginInfoOf(const mounts::MountEntry& entry) {
  logical::EventPluginInfo info;
  info.set_mount_class("secret");
  info.set_mount_accessor(entry.accessor);
  info.set_mount_path(entry.path);
  info.set_plugin(entry.type);
  info.set_plugin_version(entry.plugin_version);
  if (const auto version = entry.options.find("version"); version != entry.options.end()) {
    info.set_version(version->second);
  } else if (entry.type == "kv") {
    info.set_version("1");  // As in Vault, where a kv mount always has a version.
  }
  return info;
}

class PluginHostImpl final : public PluginHost {
 public:
  PluginHostImpl(Options options, std::unique_ptr<SocketDirectory> sockets,
                 bus::Publisher* publisher, const Clock* clock, Metrics* metrics, Logger logger)
      : options_(std::move(options)),
        catalog_(Catalog::Scan(options_.plugin_directories)),
        publisher_(publisher),
        clock_(clock),
        metrics_(metrics),
        logger_(std::move(logger)),
        sockets_(std::move(sockets)),
        restarts_(NewThreadPool(kRestartThreads)) {}

  absl::StatusOr<std::unique_ptr<mounts::Engine>> Create(const mounts::MountEntry& entry,
                                                         storage::Storage* view) override {
    absl::StatusOr<std::string> path = catalog_.Find(entry.type);
    if (!path.ok()) return path.status();
    absl::StatusOr<std::string> sha256 = Sha256OfFile(*path);
    if (!sha256.ok()) return sha256.status();
    const PluginProgram program{
        .name = entry.type, .path = *std::move(path), .vault_version = options_.vault_version};
    // The engine is gone before the host.
    PluginEngine::StartInstance start = [this, program, entry, view] {
      return PluginInstance::Start(program, entry, sockets_.get(), ServicesOf(entry, view));
    };
    absl::StatusOr<std::unique_ptr<PluginInstance>> first = start();
    if (!first.ok()) {
      logger_.Warn(
          "a plugin could not be mounted",
          {{"mount", entry.path}, {"reason", std::string(ToStd(first.status().message()))}});
      return first.status();
    }
    return std::make_unique<PluginEngine>(*std::move(first), std::move(start), *std::move(sha256),
                                          restarts_.get(), metrics_, logger_);
  }

  std::vector<std::string> PluginNames() const override { return catalog_.Names(); }

 private:
  MountServices ServicesOf(const mounts::MountEntry& entry, storage::Storage* view) const {
    const auto or_default = [](absl::Duration ttl, absl::Duration otherwise) {
      return ttl == absl::ZeroDuration() ? otherwise : ttl;
    };
    return {.plugin_info = PluginInfoOf(entry),
            .storage = view,
            .publisher = publisher_,
            .clock = clock_,
            .metrics = metrics_,
            .logger = logger_,
            .limits = options_.limits,
            .local = entry.local,
            .caching_disabled = entry.force_no_cache,
            .default_lease_ttl = or_default(entry.default_lease_ttl, options_.default_lease_ttl),
            .max_lease_ttl = or_default(entry.max_lease_ttl, options_.max_lease_ttl),
            .vault_version = options_.vault_version};
  }

  const Options options_;
  const Catalog catalog_;
  bus::Publisher* const publisher_;
  const Clock* const clock_;
  Metrics* const metrics_;
  const Logger logger_;
  const std::unique_ptr<SocketDirectory> sockets_;
  const std::unique_ptr<Executor> restarts_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PluginHost>> PluginHost::Create(Options options,
                                                               bus::Publisher* publisher,
                                                               const Clock* clock, Metrics* metrics,
                                                               Logger logger) {
  const std::string guard =
      options.guard_program.empty() ? DefaultGuardProgram() : options.guard_program;
  absl::StatusOr<std::unique_ptr<SocketDirectory>> sockets =
      SocketDirectory::Create(options.socket_directory, guard);
  if (!sockets.ok()) return sockets.status();
  return std::make_unique<PluginHostImpl>(std::move(options), *std::move(sockets), publisher, clock,
                                          metrics, std::move(logger));
}

}  // namespace belfry::plugin_host
