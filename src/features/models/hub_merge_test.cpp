#include "features/models/hub_merge.hpp"

#include <gtest/gtest.h>

namespace llmm::models {
namespace {

hubs::SearchPage page_of(std::initializer_list<std::int64_t> downloads, const std::string& next = {}) {
    hubs::SearchPage page;
    for (const auto count : downloads) {
        hubs::ModelSummary model;
        model.repo = "m" + std::to_string(count);
        model.downloads = count;
        page.models.push_back(std::move(model));
    }
    page.next_cursor = next;
    return page;
}

std::vector<std::int64_t> counts(const MergedPage& page) {
    std::vector<std::int64_t> found;
    for (const MergedRow& row : page.rows)
        found.push_back(row.model->downloads.value_or(-1));
    return found;
}

}  // namespace

TEST(HubMerge, goes_by_the_order_across_sources) {
    const std::map<Source, hubs::SearchPage> pages = {{Source::huggingface, page_of({9, 5, 1})},
                                                      {Source::modelscope, page_of({7, 6})}};
    const MergedPage first = merge_pages(pages, {}, hubs::SortOrder::downloads, 3);
    EXPECT_EQ(counts(first), (std::vector<std::int64_t>{9, 7, 6}));
    const std::map<Source, hubs::SearchPage> rest = {{Source::huggingface, page_of({9, 5, 1})}};
    const MergedPage second = merge_pages(rest, first.next, hubs::SortOrder::downloads, 3);
    EXPECT_EQ(counts(second), (std::vector<std::int64_t>{5, 1}));
    EXPECT_TRUE(second.next.empty());
}

TEST(HubMerge, stops_where_only_a_next_page_knows_what_follows) {
    const std::map<Source, hubs::SearchPage> pages = {{Source::huggingface, page_of({9, 8}, "more")},
                                                      {Source::modelscope, page_of({7, 1})}};
    const MergedPage page = merge_pages(pages, {}, hubs::SortOrder::downloads, 10);
    EXPECT_EQ(counts(page), (std::vector<std::int64_t>{9, 8}));
    EXPECT_EQ(page.next.at(Source::huggingface), (ListPosition{"more", 0}));
    EXPECT_EQ(page.next.at(Source::modelscope), (ListPosition{"", 0}));
}

TEST(HubMerge, takes_turns_where_there_is_nothing_to_compare) {
    const std::map<Source, hubs::SearchPage> pages = {{Source::huggingface, page_of({1, 2})},
                                                      {Source::modelscope, page_of({3, 4})}};
    EXPECT_EQ(counts(merge_pages(pages, {}, hubs::SortOrder::trending, 4)), (std::vector<std::int64_t>{1, 3, 2, 4}));
}

TEST(HubMerge, reads_its_own_cursors_and_no_others) {
    const ListPositions positions = {{Source::huggingface, {"a:b;c=%", 3}}, {Source::demo, {"", 0}}};
    EXPECT_EQ(decode_positions(encode_positions(positions)), positions);
    for (const char* bad : {"", "x", "huggingface", "huggingface:1", "nowhere:1:", "demo:-1:", "demo::", "demo:1:%zz",
                            "demo:1:;demo:2:", "demo:99999:", "demo:1:;"}) {
        EXPECT_EQ(decode_positions(bad), std::nullopt) << bad;
    }
}

}  // namespace llmm::models
