#include "server/plugin_host/catalog.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <system_error>

#include "server/base/text.h"

namespace belfry::plugin_host {
namespace {

constexpr std::string_view kPrefix = "belfry-";

std::string NameOf(const std::filesystem::path& file) {
  std::string name = file.filename().string();
  if (name.starts_with(kPrefix) && name.size() > kPrefix.size()) name.erase(0, kPrefix.size());
  return name;
}

}  // namespace

Catalog Catalog::Scan(const std::vector<std::string>& directories) {
  Catalog catalog;
  for (const std::string& directory : directories) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
      const std::string path = entry.path().string();
      if (entry.is_regular_file(error) && access(path.c_str(), X_OK) == 0) {
        catalog.programs_.emplace(NameOf(entry.path()),
                                  std::filesystem::absolute(entry.path(), error).string());
      }
    }
  }
  return catalog;
}

absl::StatusOr<std::string> Catalog::Find(std::string_view name) const {
  const auto it = programs_.find(name);
  if (it == programs_.end())
    return absl::NotFoundError(Concat({"plugin not found in the catalog: ", name}));
  return it->second;
}

std::vector<std::string> Catalog::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, path] : programs_) names.push_back(name);
  return names;
}

absl::StatusOr<std::string> Sha256OfFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  std::string buffer(64 * 1024, '\0');
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) ||
         file.gcount() > 0) {
    EVP_DigestUpdate(context.get(), buffer.data(), static_cast<std::size_t>(file.gcount()));
  }
  if (!file.eof()) return absl::UnavailableError(Concat({"cannot read ", path}));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(context.get(), digest, &size);
  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    text += kHex[digest[i] >> 4];
    text += kHex[digest[i] & 0xf];
  }
  return text;
}

}  // namespace belfry::plugin_host
