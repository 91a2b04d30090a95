#pragma once
#include "storage/database.hpp"
#include "support/temporary_directory.hpp"

#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace llmm::test {

// An empty database of its own: a file in a private directory, or a database in the private PostgreSQL
// cluster that the test program starts when it is first needed and stops when it ends, however it ends.
class EmptyDatabase {
  public:
    explicit EmptyDatabase(storage::Dialect dialect);
    ~EmptyDatabase();
    EmptyDatabase(const EmptyDatabase&) = delete;
    EmptyDatabase& operator=(const EmptyDatabase&) = delete;

    const storage::DatabaseUrl& url() const { return url_; }

  private:
    TemporaryDirectory directory_;
    std::string name_;
    storage::DatabaseUrl url_;
};

// A migrated one, open.
class TestDatabase {
  public:
    explicit TestDatabase(storage::Dialect dialect, std::size_t pool_size = 4);

    storage::Database& operator*() { return *database_; }
    storage::Database* operator->() { return database_.get(); }
    const storage::DatabaseUrl& url() const { return empty_.url(); }
    void close() { database_.reset(); }

  private:
    EmptyDatabase empty_;
    std::unique_ptr<storage::Database> database_;
};

// Base of fixtures whose tests run on both databases:
//
//     using ModelStore = test::OnEachDatabase;
//     LLMM_ON_EACH_DATABASE(ModelStore);
//     TEST_P(ModelStore, finds_a_model_by_its_ref) { test::TestDatabase database(GetParam()); … }
class OnEachDatabase : public ::testing::TestWithParam<storage::Dialect> {};

std::string name_of_database(const ::testing::TestParamInfo<storage::Dialect>& info);

}  // namespace llmm::test

#define LLMM_ON_EACH_DATABASE(fixture)                                                                                 \
    INSTANTIATE_TEST_SUITE_P(                                                                                          \
        databases, fixture, ::testing::Values(::llmm::storage::Dialect::sqlite, ::llmm::storage::Dialect::postgresql), \
        ::llmm::test::name_of_database)
