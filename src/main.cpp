#include "app/serve.hpp"
#include "base/config/config.hpp"
int main() { return llmm::app::serve(llmm::load_config(llmm::process_environment(), {})); }
