#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/fs/local_roots.hpp"
#include "integrations/hub.hpp"

namespace llmm::hubs {

// Files and folders of this machine below the configured roots. The repository name is the absolute path; the revision
// changes when a file's name, size or time does.
class LocalHub final : public Hub {
  public:
    LocalHub(const LocalRoots& roots, BlockingPool& files) : roots_(roots), files_(files) {}

    std::string_view source() const override { return "local"; }
    bool can_search() const override { return false; }
    Task<SearchPage> search(SearchQuery query) override;
    Task<std::vector<Category>> categories() override;
    Task<Repository> repository(std::string repo, std::string revision) override;
    Task<FileSource> locate(std::string repo, std::string revision, std::string path) override;

  private:
    Repository look(const std::string& repo, const std::string& revision) const;  // blocks

    const LocalRoots& roots_;
    BlockingPool& files_;
};

}  // namespace llmm::hubs
