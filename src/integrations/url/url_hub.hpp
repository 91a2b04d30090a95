#pragma once
#include "integrations/hub.hpp"
#include "integrations/hub_client.hpp"

namespace llmm::hubs {

// One file at a plain https address, as a repository of one file. Its repository name is the address; its revision is
// the SHA-256 that the reference promises (64 digits), or else what the server says about the file (40 digits of a
// digest over its address, size and ETag or date), so that two contents of one address are never mixed.
class UrlHub final : public Hub {
  public:
    UrlHub(HttpClient& http, const UrlGuard& guard);

    std::string_view source() const override { return "url"; }
    bool can_search() const override { return false; }
    Task<SearchPage> search(SearchQuery query) override;
    Task<std::vector<Category>> categories() override;
    Task<Repository> repository(std::string repo, std::string revision) override;
    Task<FileSource> locate(std::string repo, std::string revision, std::string path) override;

  private:
    struct Probed {
        Url url;  // where the bytes are now
        std::optional<std::uint64_t> size;
        bool has_ranges = false;
        std::string identity;
    };
    Task<Probed> probe(Url url);

    HubClient client_;
};

// The name of the file at an address: the last segment of its path, decoded; empty when there is none.
std::string file_name_of(const Url& url);

}  // namespace llmm::hubs
