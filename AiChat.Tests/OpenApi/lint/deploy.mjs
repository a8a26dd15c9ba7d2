// Prints what is wrong with a file of deploy/, as a JSON array of sentences.
//   node deploy.mjs dockerfile <file>
//   node deploy.mjs kubernetes <file>   any number of objects, checked by the schemas of their kinds
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { parseAllDocuments } from "yaml";

const require = createRequire(import.meta.url);

const checks = { dockerfile: checkDockerfile, kubernetes: checkManifest };
const [, , check, file] = process.argv;
console.log(JSON.stringify(checks[check](readFileSync(file, "utf8"))));

function checkDockerfile(text) {
  const { validate } = require("dockerfile-utils");
  return validate(text).map((d) => `line ${d.range.start.line + 1}: ${d.message}`);
}

function checkManifest(text) {
  return parseAllDocuments(text).flatMap((document) =>
    document.errors.length > 0 ? document.errors.map((e) => e.message) : checkObject(document.toJS()));
}

function checkObject(object) {
  const model = findModel(object);
  if (!model)
    return [`there is no ${object?.kind} in ${object?.apiVersion}`];

  const read = new Set();
  const problems = [];
  try {
    // The constructor copies, so the method is borrowed: what it reads must be the object itself.
    model.prototype.validate.call(watch(object, "", read));
  } catch (failure) {
    problems.push(failure.message);
  }
  return [...problems, ...findUnread(object, "", read)];
}

function findModel({ apiVersion = "", kind = "" } = {}) {
  try {
    return require(`kubernetes-models/${apiVersion}`)[kind];
  } catch {
    return undefined;
  }
}

// The schemas let unknown fields pass, which a cluster drops or refuses. A validator reads the fields it knows, and those alone.
function watch(value, path, read) {
  if (typeof value !== "object" || value === null)
    return value;
  return new Proxy(value, {
    get(target, field) {
      if (typeof field === "symbol" || !Object.hasOwn(target, field))
        return Reflect.get(target, field);
      const at = `${path}/${field}`;
      read.add(at);
      return watch(target[field], at, read);
    },
  });
}

function findUnread(value, path, read) {
  if (typeof value !== "object" || value === null)
    return [];
  return Object.keys(value).flatMap((field) => {
    const at = `${path}/${field}`;
    return read.has(at) ? findUnread(value[field], at, read) : [`${at} is unknown`];
  });
}
