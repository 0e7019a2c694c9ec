import { $, make } from "../parts.js";

// A schema in a few words: {"item_id": integer or string, "rating": number or null}
function words(schema, all) {
  if (!schema) return "anything";
  if (schema.$ref) return words(all[schema.$ref.split("/").at(-1)], all);
  if (schema.anyOf) return schema.anyOf.map((each) => words(each, all)).join(" or ");
  if (schema.type === "array") return `[${words(schema.items, all)}, ...]`;
  if (schema.type !== "object") return schema.type ?? "anything";
  const { properties, additionalProperties: rest } = schema;
  if (!properties) return typeof rest === "object" ? `{name: ${words(rest, all)}}` : "{...}";
  const fields = Object.entries(properties).map(([name, each]) => `"${name}": ${words(each, all)}`);
  return `{${fields.join(", ")}}`;
}

const { paths, components } = await (await fetch("../openapi.json")).json();
const json = (part) => part?.content?.["application/json"]?.schema;
for (const [path, methods] of Object.entries(paths)) {
  for (const [method, about] of Object.entries(methods)) {
    const facts = make("dl");
    const add = (name, text) => facts.append(make("dt", {}, name), make("dd", {}, text));
    for (const each of about.parameters ?? []) {
      add(`${each.name}${each.required ? "" : " (optional)"}`, words(each.schema, {}));
    }
    if (about.requestBody) add("body", words(json(about.requestBody), components.schemas));
    for (const [status, reply] of Object.entries(about.responses)) {
      if (status < 300) add(status, json(reply) ? words(json(reply), components.schemas) : "");
    }
    $("paths").append(make("h2", {}, `${method.toUpperCase()} ${path}`),
      make("p", {}, about.description ?? ""), facts, make("hr"));
  }
}
