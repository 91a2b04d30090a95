#pragma once
#include "base/crypto/digest.hpp"
#include "integrations/hub.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace llmm::hubs {

// The models that come with the program, from the shelf.toml of a folder: a hub without a network.
class DemoHub final : public Hub {
  public:
    // Reads the shelf (blocking, small). Throws INTERNAL when it is missing or wrong: it is part of the
    // installation.
    explicit DemoHub(std::filesystem::path shelf_directory);

    std::string_view source() const override { return "demo"; }
    Task<SearchPage> search(SearchQuery query) override;
    Task<std::vector<Category>> categories() override;
    Task<Repository> repository(std::string repo, std::string revision) override;
    Task<FileSource> locate(std::string repo, std::string revision, std::string path) override;

  private:
    struct Model {
        ModelSummary summary;
        std::string revision;
        RemoteFile file;
    };
    const Model& model_named(const std::string& repo, const std::string& revision) const;

    std::filesystem::path directory_;
    std::vector<Model> models_;
    std::optional<std::string> card_;  // one for the whole shelf
};

}  // namespace llmm::hubs
