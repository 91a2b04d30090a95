#pragma once
#include "app/cli/texts.hpp"

// Everything that the command line says itself, in both languages.
namespace llmm::app::cli::phrases {

// Help
inline constexpr Phrase program{"Finds, downloads, deploys and chats with language models.",
                                "查找、下载、部署大语言模型并与之对话。"};
inline constexpr Phrase usage_title{"Usage", "用法"};
inline constexpr Phrase command_title{"command", "命令"};
inline constexpr Phrase required_label{"(required)", "（必填）"};
inline constexpr Phrase options_title{"Options", "选项"};
inline constexpr Phrase commands_title{"Commands", "命令"};
inline constexpr Phrase arguments_title{"Arguments", "参数"};
inline constexpr Phrase help_option{"Show this help", "显示本帮助"};
inline constexpr Phrase version_option{"Show the version", "显示版本"};
inline constexpr Phrase url_option{"Where the service is (LLM_MANAGER_URL; else as configured here)",
                                   "服务地址（LLM_MANAGER_URL；否则取本机配置）"};
inline constexpr Phrase key_option{"Key for the service (LLM_MANAGER_API_KEY; else the admin key of this machine)",
                                   "访问密钥（LLM_MANAGER_API_KEY；否则用本机的管理密钥）"};
inline constexpr Phrase json_option{"Print the data as one JSON document", "以一个 JSON 文档输出数据"};
inline constexpr Phrase language_option{"Language: zh or en (else from the locale)",
                                        "语言：zh 或 en（默认取自系统区域设置）"};
inline constexpr Phrase serve_command{"Run the service", "运行服务"};
inline constexpr Phrase migrate_command{"Bring the database to this version", "将数据库升级到当前版本"};
inline constexpr Phrase config_command{"Show the effective configuration and where each value comes from",
                                       "显示生效的配置及每个值的来源"};
inline constexpr Phrase config_set_option{"Set an option: section.key=value; may be repeated",
                                          "设置配置项：section.key=value，可重复"};
inline constexpr Phrase search_command{"Search a hub for models", "在模型库中搜索模型"};
inline constexpr Phrase query_argument{"What to look for", "搜索内容"};
inline constexpr Phrase source_option{"Which hub: all, huggingface, modelscope or demo",
                                      "模型库：all、huggingface、modelscope 或 demo"};
inline constexpr Phrase format_option{"Only this format: gguf or safetensors", "只看此格式：gguf 或 safetensors"};
inline constexpr Phrase sort_option{"Order: downloads, likes, updated or trending",
                                    "排序：downloads、likes、updated 或 trending"};
inline constexpr Phrase limit_option{"Most lines to show (1-200)", "最多显示的行数（1-200）"};
inline constexpr Phrase show_command{"Show a local model, or one on a hub with its variants",
                                     "显示本地模型，或模型库中的模型及其变体"};
inline constexpr Phrase model_argument{
    "Model: a name, an id or a reference such as demo:tiny-chat or hf.co/org/name:Q4_K_M",
    "模型：名称、ID 或引用，如 demo:tiny-chat、hf.co/org/name:Q4_K_M"};
inline constexpr Phrase pull_command{"Download a model, or go on with a paused download",
                                     "下载模型，或继续已暂停的下载"};
inline constexpr Phrase ref_argument{"Reference such as demo:tiny-chat or hf.co/org/name:Q4_K_M",
                                     "引用，如 demo:tiny-chat、hf.co/org/name:Q4_K_M"};
inline constexpr Phrase detach_option{"Start the download and return", "开始下载后立即返回"};
inline constexpr Phrase import_command{"Take over models that are on this disk already, without copying",
                                       "导入本机已有的模型，不复制文件"};
inline constexpr Phrase import_path_argument{"File or folder to import", "要导入的文件或目录"};
inline constexpr Phrase from_hf_cache_option{"Everything in this folder of HuggingFace's cache",
                                             "导入此 HuggingFace 缓存目录中的全部模型"};
inline constexpr Phrase from_ollama_option{"Everything in this folder of Ollama's models",
                                           "导入此 Ollama 模型目录中的全部模型"};
inline constexpr Phrase import_variant_option{"Variant to take from a folder with several", "目录含多个变体时选择其一"};
inline constexpr Phrase copy_option{"Copy what can't be linked", "无法链接时复制"};
inline constexpr Phrase import_detach_option{"Start and return", "开始后立即返回"};
inline constexpr Phrase link_command{"Publish models as links for other programs", "以链接形式供其他程序使用模型"};
inline constexpr Phrase link_hf_cache_option{"Into this folder of HuggingFace's cache", "写入此 HuggingFace 缓存目录"};
inline constexpr Phrase link_ollama_option{"Into this folder of Ollama's models", "写入此 Ollama 模型目录"};
inline constexpr Phrase link_model_argument{"Only this model", "仅此模型"};
inline constexpr Phrase gc_command{"Delete files that no model needs", "删除没有模型需要的文件"};
inline constexpr Phrase dry_run_option{"Only say what would be deleted", "只显示将删除的内容"};
inline constexpr Phrase verify_command{"Hash the files of a model, or of all, again", "重新校验某个模型或全部文件"};
inline constexpr Phrase one_import_source{"Name one thing to import: a path, --from-hf-cache DIR or --from-ollama DIR.",
                                          "请指定一个导入来源：路径、--from-hf-cache DIR 或 --from-ollama DIR。"};
inline constexpr Phrase one_layout{"Name one folder: --hf-cache DIR or --ollama DIR.",
                                   "请指定一个目录：--hf-cache DIR 或 --ollama DIR。"};
inline constexpr Phrase work_progress{"{} done", "已完成 {}"};
inline constexpr Phrase work_cancelled{"It was cancelled.", "已被取消。"};
inline constexpr Phrase skipped{"Skipped {}: {}", "跳过 {}：{}"};
inline constexpr Phrase import_started{"The import goes on in the background; `llm-manager tasks` shows it.",
                                       "导入正在后台进行；`llm-manager tasks` 可查看进度。"};
inline constexpr Phrase imported{
    "{} models, {} of them were here before; {} of new files: {} reflinks, {} hard links, {} copies.",
    "共 {} 个模型，其中 {} 个此前已有；新文件 {}：写时复制 {} 个，硬链接 {} 个，复制 {} 个。"};
inline constexpr Phrase linked{"{} models published: {} hard links, {} symbolic links.",
                               "已发布 {} 个模型：硬链接 {} 个，符号链接 {} 个。"};
inline constexpr Phrase missing_blob{"Missing: {}; `llm-manager verify` marks the models that need it.",
                                     "缺失：{}；`llm-manager verify` 会标记需要它的模型。"};
inline constexpr Phrase would_collect{"{} things would be deleted, {} in all.", "将删除 {} 项，共 {}。"};
inline constexpr Phrase collected{"{} things deleted, {} in all.", "已删除 {} 项，共 {}。"};
inline constexpr Phrase verify_started{"The verification goes on in the background; `llm-manager tasks` shows it.",
                                       "校验正在后台进行；`llm-manager tasks` 可查看进度。"};
inline constexpr Phrase verified{"Every file is as its digest says.", "所有文件均与摘要相符。"};
inline constexpr Phrase list_command{"List local models", "列出本地模型"};
inline constexpr Phrase downloads_command{"List downloads", "列出下载"};
inline constexpr Phrase rm_command{"Remove a local model, or a deployment", "删除本地模型或部署"};
inline constexpr Phrase rm_deployment_option{"Remove this deployment instead of a model", "删除此部署，而不是模型"};
inline constexpr Phrase deploy_command{"Deploy a local model", "部署本地模型"};
inline constexpr Phrase name_option{"Name of the deployment", "部署名称"};
inline constexpr Phrase engine_option{
    "What runs it (else the service chooses); with external, MODEL is the address of a running server",
    "运行模型的引擎（默认由服务选择）；external 时 MODEL 为已运行服务器的地址"};
inline constexpr Phrase port_option{"Port of the engine (1024-65535; else a free one)",
                                    "引擎端口（1024-65535；默认取空闲端口）"};
inline constexpr Phrase context_option{"Tokens of context for each request", "每个请求的上下文长度（token）"};
inline constexpr Phrase parallel_option{"Requests served at once", "同时处理的请求数"};
inline constexpr Phrase gpu_layers_option{"Layers to keep on the GPU", "放在 GPU 上的层数"};
inline constexpr Phrase deploy_set_option{"Engine option: key=value, such as threads=4; may be repeated",
                                          "引擎选项：key=value，如 threads=4，可重复"};
inline constexpr Phrase wait_option{"Return when it runs", "等到运行后再返回"};
inline constexpr Phrase run_command{"Chat with a model; pulls and deploys what is missing",
                                    "与模型对话；缺少的会自动下载和部署"};
inline constexpr Phrase run_model_argument{"Deployment, local model or reference", "部署、本地模型或引用"};
inline constexpr Phrase prompt_argument{"What to say; else standard input, or a conversation on a terminal",
                                        "对话内容；否则读取标准输入，在终端上则进入对话"};
inline constexpr Phrase temperature_option{"Randomness from 0 to 2 (demo models: 0)",
                                           "随机程度 0 到 2（demo 模型默认 0）"};
inline constexpr Phrase system_option{"System prompt", "系统提示词"};
inline constexpr Phrase max_tokens_option{"Longest answer in tokens", "回答的最大长度（token）"};
inline constexpr Phrase ps_command{"List deployments", "列出部署"};
inline constexpr Phrase deployment_argument{"Name or id of the deployment", "部署的名称或 ID"};
inline constexpr Phrase stop_command{"Stop a deployment", "停止部署"};
inline constexpr Phrase start_command{"Start a deployment", "启动部署"};
inline constexpr Phrase logs_command{"Show the log of a deployment's engine", "显示部署引擎的日志"};
inline constexpr Phrase follow_option{"Keep showing new lines until Ctrl-C", "持续显示新内容，直到按 Ctrl-C"};
inline constexpr Phrase tail_option{"How many of the last lines (0-10000)", "显示最后多少行（0-10000）"};
inline constexpr Phrase bench_command{"Measure how fast a deployment answers", "测量部署的响应速度"};
inline constexpr Phrase benchmarks_command{"List the results of earlier measurements", "列出以往的测量结果"};
inline constexpr Phrase concurrency_option{"Requests at a time, one level each: 1,2,4,8", "并发数，每级一个：1,2,4,8"};
inline constexpr Phrase requests_option{"Requests of each level", "每级的请求数"};
inline constexpr Phrase bench_tokens_option{"Longest answer in tokens", "回答的最大 token 数"};
inline constexpr Phrase bench_prompt_option{"What every request asks", "每个请求的内容"};
inline constexpr Phrase tasks_command{"List background tasks", "列出后台任务"};
inline constexpr Phrase status_command{"Show whether the service is ready", "显示服务是否就绪"};
inline constexpr Phrase version_command{"Show the version", "显示版本"};

// Wrong usage
inline constexpr Phrase missing_command{"A command is missing.", "缺少命令。"};
inline constexpr Phrase bad_pair{"--set {}: must be key=value", "--set {}：格式须为 key=value"};
inline constexpr Phrase model_or_deployment{"Give a model or --deployment, not both.",
                                            "请指定模型或 --deployment 之一，不能同时指定。"};
inline constexpr Phrase empty_prompt{"There is nothing to say: the prompt is empty.", "没有内容可发送：提示为空。"};
inline constexpr Phrase json_needs_prompt{"--json needs a prompt.", "--json 需要给出提示内容。"};
inline constexpr Phrase endless_json{"--json can't show a log without an end: leave out --follow.",
                                     "--json 不能用于持续输出的日志：请去掉 --follow。"};
inline constexpr Phrase bad_url{"{} is not an http or https URL.", "{} 不是 http 或 https 地址。"};

// The service
inline constexpr Phrase unreachable{"No service answers at {}: {}", "{} 没有服务响应：{}"};
inline constexpr Phrase start_service{"Start it with `llm-manager serve`, or name another one with --url.",
                                      "用 `llm-manager serve` 启动服务，或用 --url 指定其他地址。"};
inline constexpr Phrase foreign_answer{"something else answers there (status {})", "该地址响应的不是本服务（状态 {}）"};
inline constexpr Phrase broken_answer{"the connection broke off ({})", "连接中断（{}）"};
inline constexpr Phrase allowed_values{"allowed: {}", "允许：{}"};
inline constexpr Phrase ready{"ready", "就绪"};
inline constexpr Phrase not_ready{"not ready", "未就绪"};
inline constexpr Phrase service_line{"Service   {}, version {}, at {}", "服务    {}，版本 {}，地址 {}"};
inline constexpr Phrase platform_line{"Platform  {} ({})", "平台    {}（{}）"};
inline constexpr Phrase database_line{"Database  {} {}", "数据库   {} {}"};
inline constexpr Phrase uptime_line{"Uptime    {}", "已运行   {}"};
inline constexpr Phrase check_failed{"{} is not ok: {}", "{} 异常：{}"};

// Searching and downloading
inline constexpr Phrase nothing_found{"Nothing found.", "没有找到。"};
inline constexpr Phrase search_next{"`llm-manager show REF` lists the variants, `llm-manager pull REF` downloads.",
                                    "`llm-manager show REF` 查看变体，`llm-manager pull REF` 下载。"};
inline constexpr Phrase no_models{"No models here yet. Get one: llm-manager pull demo:tiny-chat",
                                  "还没有本地模型。可先下载一个：llm-manager pull demo:tiny-chat"};
inline constexpr Phrase no_downloads{"No downloads.", "没有下载。"};
inline constexpr Phrase limit_now{"Limit of all downloads now: {}", "目前所有下载的总限速：{}"};
inline constexpr Phrase no_limit{"none", "无"};
inline constexpr Phrase label_stock_compatible{"llama.cpp", "llama.cpp"};
inline constexpr Phrase not_stock_compatible{"can't load this form of it", "无法加载此格式"};
inline constexpr Phrase pulled_not_loadable{
    "llama-server can't load it: Ollama writes this family in a form of its own. Pull a GGUF of the model from another "
    "source (hf.co/…), or deploy it on the engine ollama.",
    "llama-server 无法加载它：Ollama 以自有格式存储该系列模型。请从其他来源（hf.co/…）下载 GGUF，或使用引擎 ollama "
    "部署。"};
inline constexpr Phrase no_deployments{"No deployments. Make one: llm-manager deploy MODEL",
                                       "没有部署。可创建：llm-manager deploy MODEL"};
inline constexpr Phrase no_tasks{"No tasks.", "没有任务。"};
inline constexpr Phrase no_such_model{"There is no model {} here. `llm-manager list` shows which there are.",
                                      "本地没有模型 {}。`llm-manager list` 可查看已有模型。"};
inline constexpr Phrase no_such_target{
    "There is no deployment or model {} here. Name one from `llm-manager ps` or `llm-manager list`, "
    "or give a reference such as demo:tiny-chat.",
    "没有名为 {} 的部署或模型。请从 `llm-manager ps`、`llm-manager list` 中选择，"
    "或给出引用，如 demo:tiny-chat。"};
inline constexpr Phrase ambiguous_model{"{} could be several models; name one by its id or reference:",
                                        "{} 对应多个模型，请用 ID 或引用指定其一："};
inline constexpr Phrase already_here{"{} is already here ({}).", "{} 已在本地（{}）。"};
inline constexpr Phrase pulled{"{} is here ({}).", "{} 下载完成（{}）。"};
inline constexpr Phrase download_started{
    "The download of {} goes on in the background; `llm-manager downloads` shows it.",
    "{} 正在后台下载；`llm-manager downloads` 可查看进度。"};
inline constexpr Phrase resuming{"Going on with the paused download of {}.", "继续已暂停的下载 {}。"};
inline constexpr Phrase retrying{"Trying the download of {} again.", "重新尝试下载 {}。"};
inline constexpr Phrase paused{"Paused. `llm-manager pull {}` goes on where it stopped.",
                               "已暂停。`llm-manager pull {}` 可从断点继续。"};
inline constexpr Phrase paused_elsewhere{"The download was paused. `llm-manager pull {}` goes on where it stopped.",
                                         "下载被暂停。`llm-manager pull {}` 可从断点继续。"};
inline constexpr Phrase cancelled_elsewhere{"The download was cancelled.", "下载已被取消。"};
inline constexpr Phrase pending{"waiting", "等待中"};
inline constexpr Phrase resolving{"looking it up", "解析中"};
inline constexpr Phrase downloading{"downloading", "下载中"};
inline constexpr Phrase completed{"complete", "已完成"};
inline constexpr Phrase verifying{"verifying", "校验中"};
inline constexpr Phrase publishing{"finishing", "收尾中"};
inline constexpr Phrase waiting_for_space{"waiting for disk space", "等待磁盘空间"};
inline constexpr Phrase waiting_for_source{"waiting for the source", "等待来源恢复"};
inline constexpr Phrase eta{"{} left", "剩余 {}"};
inline constexpr Phrase more_files{"… and {} more files", "……另有 {} 个文件"};
inline constexpr Phrase removed_model{"Removed {}; {} freed.", "已删除 {}，释放 {}。"};
inline constexpr Phrase removed_deployment{"Removed the deployment {}.", "已删除部署 {}。"};

// Deploying and chatting
inline constexpr Phrase already_deployed{"{} is already deployed as {}.", "{} 已部署为 {}。"};
inline constexpr Phrase other_settings{
    "{} is already deployed as {} with other settings. Give the new one a --name, or first: "
    "llm-manager rm --deployment {}",
    "{} 已部署为 {}，但设置不同。请用 --name 另起名称，或先执行：llm-manager rm --deployment {}"};
inline constexpr Phrase starting{"Starting {} … {}", "正在启动 {} …… {}"};
inline constexpr Phrase starts{"{} is starting; `llm-manager ps` shows when it runs.",
                               "{} 正在启动；`llm-manager ps` 可查看状态。"};
inline constexpr Phrase engine_chosen{"Engine: {} ({})", "引擎：{}（{}）"};
inline constexpr Phrase running_at{"{} is running at {}.", "{} 正在运行，地址 {}。"};
inline constexpr Phrase running{"{} is running.", "{} 正在运行。"};
inline constexpr Phrase stopping{"{} is stopping.", "{} 正在停止。"};
inline constexpr Phrase is_stopped{"{} is stopped.", "{} 已停止。"};
inline constexpr Phrase start_failed{"{} failed to start: {}", "{} 启动失败：{}"};
inline constexpr Phrase see_logs{"See `llm-manager logs {}`.", "详见 `llm-manager logs {}`。"};
inline constexpr Phrase unknown_reason{"the service gave no reason", "服务未说明原因"};
inline constexpr Phrase chat_welcome{"Chatting with {}. Ctrl-C stops a reply, Ctrl-D leaves, /help tells more.",
                                     "正在与 {} 对话。Ctrl-C 停止回答，Ctrl-D 退出，/help 查看帮助。"};
inline constexpr Phrase leave_hint{"Ctrl-D leaves.", "按 Ctrl-D 退出。"};
inline constexpr Phrase new_conversation{"A new conversation begins.", "新对话已开始。"};
inline constexpr Phrase chat_help{
    "/new   begin a new conversation\n/bye   leave (or Ctrl-D)\n\"\"\"    begin and end a message of several lines\n"
    "Ctrl-C stops a reply, or drops what is typed.",
    "/new   开始新对话\n/bye   退出（或 Ctrl-D）\n\"\"\"    多行消息的开始与结束\nCtrl-C "
    "停止回答，或放弃正在输入的内容。"};
inline constexpr Phrase reply_cut{"The answer ended early ({}).", "回答提前结束（{}）。"};
inline constexpr Phrase reply_queued{"The model is busy: place {} in its queue.", "模型正忙：排队第 {} 位。"};
inline constexpr Phrase stream_ended{"The answer broke off.", "回答中断。"};

// Column titles
inline constexpr Phrase column_name{"NAME", "名称"};
inline constexpr Phrase column_ref{"REF", "引用"};
inline constexpr Phrase column_size{"SIZE", "大小"};
inline constexpr Phrase column_status{"STATUS", "状态"};
inline constexpr Phrase column_format{"FORMAT", "格式"};
inline constexpr Phrase column_variant{"VARIANT", "变体"};
inline constexpr Phrase column_files{"FILES", "文件数"};
inline constexpr Phrase column_fits{"FITS", "可运行"};
inline constexpr Phrase column_concurrency{"CONCURRENCY", "并发"};
inline constexpr Phrase column_requests{"REQUESTS", "请求"};
inline constexpr Phrase column_failed{"FAILED", "失败"};
inline constexpr Phrase column_tokens_per_second{"TOKENS/S", "TOKEN/秒"};
inline constexpr Phrase column_requests_per_second{"REQUESTS/S", "请求/秒"};
inline constexpr Phrase column_first_token{"FIRST TOKEN MS", "首个 TOKEN 毫秒"};
inline constexpr Phrase column_inter_token{"BETWEEN TOKENS MS", "TOKEN 间隔毫秒"};
inline constexpr Phrase column_total_time{"ANSWER MS", "回答毫秒"};
inline constexpr Phrase measuring{"measuring: {} of {} levels done", "正在测量：已完成 {} / {} 级"};
inline constexpr Phrase spread_note{"Times are the median / the 99th percentile.", "时间为中位数 / 第 99 百分位。"};
inline constexpr Phrase no_benchmarks{"Nothing was measured yet: llm-manager bench NAME",
                                      "尚无测量结果：llm-manager bench NAME"};
inline constexpr Phrase column_id{"ID", "ID"};
inline constexpr Phrase column_downloads{"DOWNLOADS", "下载量"};
inline constexpr Phrase column_likes{"LIKES", "点赞"};
inline constexpr Phrase column_updated{"UPDATED", "更新"};
inline constexpr Phrase column_progress{"PROGRESS", "进度"};
inline constexpr Phrase column_speed{"SPEED", "速度"};
inline constexpr Phrase column_eta{"LEFT", "剩余"};
inline constexpr Phrase column_endpoint{"ENDPOINT", "地址"};
inline constexpr Phrase column_memory{"MEMORY", "内存"};
inline constexpr Phrase column_uptime{"UPTIME", "已运行"};
inline constexpr Phrase column_restarts{"RESTARTS", "重启次数"};
inline constexpr Phrase column_model{"MODEL", "模型"};
inline constexpr Phrase column_kind{"KIND", "类型"};
inline constexpr Phrase column_attempts{"ATTEMPTS", "尝试次数"};
inline constexpr Phrase column_error{"ERROR", "错误"};
inline constexpr Phrase label_architecture{"Architecture", "架构"};
inline constexpr Phrase label_parameters{"Parameters", "参数量"};
inline constexpr Phrase label_context{"Context", "上下文"};
inline constexpr Phrase label_license{"Licence", "许可证"};
inline constexpr Phrase label_revision{"Revision", "版本"};
inline constexpr Phrase label_gated{"Gated", "需授权"};
inline constexpr Phrase label_description{"About", "说明"};
inline constexpr Phrase yes{"yes", "是"};
inline constexpr Phrase no{"no", "否"};
inline constexpr Phrase default_mark{"{} (default)", "{}（默认）"};

// What to do about an error of the service
inline constexpr Phrase hint_gated{"Accept its terms on the hub's page and start the service with HF_TOKEN set.",
                                   "请在模型库页面接受其条款，并设置 HF_TOKEN 后启动服务。"};
inline constexpr Phrase hint_network{
    "Check the service's network, HTTPS_PROXY and HF_ENDPOINT, then repeat the command.",
    "请检查服务的网络、HTTPS_PROXY 和 HF_ENDPOINT，然后重试。"};
inline constexpr Phrase hint_later{"Try again in a while.", "请稍后再试。"};
inline constexpr Phrase hint_spelling{
    "Check the spelling; `llm-manager search` finds models, `llm-manager show REF` their variants.",
    "请检查拼写；`llm-manager search` 查找模型，`llm-manager show REF` 查看变体。"};
inline constexpr Phrase hint_disk{"Make room, for example with `llm-manager rm MODEL`, then repeat the command.",
                                  "请腾出空间（如 `llm-manager rm MODEL`），然后重试。"};
inline constexpr Phrase hint_again{"Repeat the command; what is good is kept.", "请重复该命令；已校验的内容会保留。"};
inline constexpr Phrase hint_key{
    "Give the key with --api-key or LLM_MANAGER_API_KEY; it is in secrets/admin-key of the data directory.",
    "请用 --api-key 或 LLM_MANAGER_API_KEY 提供密钥；密钥在数据目录的 secrets/admin-key 中。"};
inline constexpr Phrase hint_in_use{
    "Remove its deployment first: `llm-manager rm --deployment NAME` (`llm-manager ps` lists them).",
    "请先删除其部署：`llm-manager rm --deployment NAME`（`llm-manager ps` 可查看）。"};
inline constexpr Phrase hint_name{"Choose another --name.", "请用 --name 另选名称。"};
inline constexpr Phrase hint_port{"Choose another --port, or leave it out.", "请更换 --port，或省略它。"};
inline constexpr Phrase hint_pull{"Download it first: llm-manager pull REF", "请先下载：llm-manager pull REF"};
inline constexpr Phrase hint_engine{
    "Install llama-server, or name it in LLM_MANAGER_LLAMA_SERVER when starting the service.",
    "请安装 llama-server，或在启动服务时用 LLM_MANAGER_LLAMA_SERVER 指定。"};
inline constexpr Phrase hint_logs{"`llm-manager logs NAME` shows what the engine said.",
                                  "`llm-manager logs NAME` 可查看引擎日志。"};
inline constexpr Phrase hint_memory{"Take a smaller variant or a smaller --context, or stop another deployment.",
                                    "请选择更小的变体或更小的 --context，或停止其他部署。"};
inline constexpr Phrase hint_context{"Say less, or deploy with a larger --context.",
                                     "请缩短内容，或用更大的 --context 部署。"};
inline constexpr Phrase hint_deployments{"`llm-manager ps` lists the deployments.", "`llm-manager ps` 可查看部署。"};

}  // namespace llmm::app::cli::phrases
