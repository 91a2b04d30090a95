// Drives the npm clients of OpenAI, Ollama and Anthropic against LLM_MANAGER_URL and writes one JSON object: a value for
// each check, or {"threw": …} with what the client made of an error.
import OpenAI from "openai";
import Anthropic from "@anthropic-ai/sdk";
import { Ollama } from "ollama";

const url = process.env.LLM_MANAGER_URL;
const key = process.env.LLM_MANAGER_API_KEY;
const messages = [{ role: "user", content: "What is the capital of France?" }];
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: "wrong", maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
const ollama = new Ollama({ host: url, headers: { Authorization: `Bearer ${key}` } });

async function collect(stream, take) {
  const parts = [];
  for await (const event of stream) parts.push(take(event));
  return parts;
}

const checks = {
  async openai_models() {
    return (await collect(await openai.models.list(), (model) => model.id)).join();
  },
  async openai_chat() {
    const answer = await openai.chat.completions.create({ model: "tiny", messages, temperature: 0 });
    return [answer.choices[0].message.content, answer.usage.completion_tokens > 0];
  },
  async openai_chat_stream() {
    const stream = await openai.chat.completions.create({
      model: "tiny", messages, temperature: 0, stream: true, stream_options: { include_usage: true },
    });
    const chunks = await collect(stream, (chunk) => chunk);
    const text = chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("");
    return [text, chunks.at(-1).usage.completion_tokens > 0];
  },
  async openai_stream_helper() {
    const runner = openai.chat.completions.stream({ model: "tiny", messages, temperature: 0 });
    return await runner.finalContent();
  },
  async openai_completion() {
    const answer = await openai.completions.create({ model: "tiny", prompt: "The capital", max_tokens: 3 });
    return answer.choices[0].text.length > 0;
  },
  async openai_responses() {
    const answer = await openai.responses.create({ model: "tiny", input: "What is the capital of France?", temperature: 0 });
    return answer.output_text;
  },
  async openai_json_schema() {
    const schema = { type: "object", properties: { a: { type: "boolean" } }, required: ["a"], additionalProperties: false };
    const answer = await openai.chat.completions.create({
      model: "tiny", messages, max_tokens: 50, response_format: { type: "json_schema", json_schema: { name: "x", schema } },
    });
    return typeof JSON.parse(answer.choices[0].message.content).a;
  },
  async openai_logprobs() {
    const answer = await openai.chat.completions.create({ model: "tiny", messages, max_tokens: 2, logprobs: true, top_logprobs: 2 });
    return answer.choices[0].logprobs.content.length;
  },
  async openai_abort() {
    const stream = await openai.chat.completions.create({ model: "tiny", messages, stream: true });
    for await (const _ of stream) break;
    return true;
  },
  openai_wrong_key: () => stranger.models.list(),
  openai_no_model: () => openai.chat.completions.create({ model: "nobody", messages }),
  openai_no_model_stream: () => openai.chat.completions.create({ model: "nobody", messages, stream: true }),
  openai_bad_request: () => openai.chat.completions.create({ model: "tiny", messages: "no list" }),
  openai_no_embeddings: () => openai.embeddings.create({ model: "tiny", input: "x" }),
  async anthropic_message() {
    const answer = await anthropic.messages.create({ model: "tiny", max_tokens: 64, messages, temperature: 0 });
    return [answer.content[0].text, answer.stop_reason, answer.usage.output_tokens > 0];
  },
  async anthropic_stream() {
    const stream = anthropic.messages.stream({ model: "tiny", max_tokens: 64, messages, temperature: 0 });
    const text = await stream.finalText();
    return [text, (await stream.finalMessage()).usage.output_tokens > 0];
  },
  async anthropic_count() {
    return (await anthropic.messages.countTokens({ model: "tiny", messages })).input_tokens > 0;
  },
  anthropic_no_model: () => anthropic.messages.create({ model: "nobody", max_tokens: 1, messages }),
  anthropic_wrong_key: () =>
    new Anthropic({ baseURL: url, apiKey: "wrong", maxRetries: 0 }).messages.create({ model: "tiny", max_tokens: 1, messages }),
  async ollama_list() {
    return (await ollama.list()).models.map((model) => model.name).join();
  },
  async ollama_ps() {
    return (await ollama.ps()).models.length;
  },
  async ollama_show() {
    return (await ollama.show({ model: "tiny" })).details.family;
  },
  async ollama_chat() {
    const answer = await ollama.chat({ model: "tiny", messages, options: { temperature: 0 } });
    return [answer.message.content, answer.done_reason, answer.eval_count > 0];
  },
  async ollama_chat_stream() {
    const parts = await collect(await ollama.chat({ model: "tiny", messages, stream: true, options: { temperature: 0 } }), (part) => part);
    return [parts.map((part) => part.message.content).join(""), parts.at(-1).done];
  },
  async ollama_generate_stream() {
    const parts = await collect(
      await ollama.generate({ model: "tiny", prompt: messages[0].content, stream: true, options: { temperature: 0 } }), (part) => part);
    return parts.map((part) => part.response).join("");
  },
  async ollama_pull() {
    const parts = await collect(await ollama.pull({ model: "demo:tiny-chat", stream: true }), (part) => part.status);
    return [parts[0], parts.at(-1)];
  },
  async ollama_copy_and_delete() {
    await ollama.copy({ source: "tiny", destination: "twin" });
    const names = (await ollama.list()).models.map((model) => model.name);
    await ollama.delete({ model: "twin" });
    return names.includes("twin:latest");
  },
  ollama_no_model: () => ollama.chat({ model: "nobody", messages }),
  ollama_no_embeddings: () => ollama.embed({ model: "tiny", input: "x" }),
};

const results = {};
for (const [name, check] of Object.entries(checks)) {
  try {
    results[name] = await check();
  } catch (error) {
    results[name] = {
      threw: error.constructor.name, status: error.status ?? error.status_code, code: error.code ?? null,
      type: error.type ?? error.error?.error?.type ?? null, message: String(error.message),
    };
  }
}
console.log(JSON.stringify(results));
