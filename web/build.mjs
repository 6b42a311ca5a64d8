// Bundles the page into rsmonitor/web/static: files named by their content, each with
// its gzip beside it, and manifest.json, which says what is served under which name.
//
//   npm ci && npm run build
const [major] = process.versions.node.split(".").map(Number);
if (major < 18) {
  console.error(
    `the page of rsmonitor is built with Node 18 or newer; this is ${process.version}`
  );
  process.exit(1);
}

const { build } = await import("esbuild");
const { createHash } = await import("node:crypto");
const fs = await import("node:fs");
const path = await import("node:path");
const { fileURLToPath } = await import("node:url");
const { gzipSync } = await import("node:zlib");

const here = path.dirname(fileURLToPath(import.meta.url));
const target = path.resolve(here, "..", "rsmonitor", "web", "static");
const entries = ["page", "admin", "login"];

const bundled = await build({
  absWorkingDir: here,
  entryPoints: entries.map((name) => `src/${name}.js`),
  bundle: true,
  splitting: true,
  format: "esm",
  minify: true,
  target: ["es2020", "chrome90", "firefox90", "safari15"],
  outdir: target,
  entryNames: "[name]-[hash]",
  chunkNames: "part-[hash]",
  assetNames: "[name]-[hash]",
  legalComments: "none",
  metafile: true,
  write: false,
  logLevel: "warning",
});

const files = new Map(); // name in the folder -> bytes
const names = {}; // name in a template -> name in the folder
for (const file of bundled.outputFiles) {
  const name = path.relative(target, file.path);
  files.set(name, Buffer.from(file.contents));
  const { entryPoint } = bundled.metafile.outputs[path.relative(here, file.path)];
  if (entryPoint) {
    names[path.basename(entryPoint)] = name;
  }
}
for (const [output, { cssBundle }] of Object.entries(bundled.metafile.outputs)) {
  if (cssBundle) {
    const entry = path.basename(bundled.metafile.outputs[output].entryPoint, ".js");
    names[`${entry}.css`] = path.basename(cssBundle);
  }
}

// What the bundle holds of others goes out with their terms.
const licences = Buffer.from(othersLicences(Object.keys(bundled.metafile.inputs)));
names["licences.txt"] = `licences-${digest(licences)}.txt`;
files.set(names["licences.txt"], licences);

const icon = fs.readFileSync(path.join(here, "src", "icon.svg"));
names["icon.svg"] = `icon-${digest(icon)}.svg`;
files.set(names["icon.svg"], icon);

// Which files an entry needs at once, so that the page can ask for all of them early.
const needs = {};
for (const entry of entries) {
  const output = Object.entries(bundled.metafile.outputs).find(
    ([, each]) => each.entryPoint === `src/${entry}.js`
  );
  needs[entry] = output[1].imports
    .filter((each) => each.kind === "import-statement")
    .map((each) => path.basename(each.path));
}

fs.rmSync(target, { recursive: true, force: true });
fs.mkdirSync(target, { recursive: true });
const sizes = {};
for (const [name, bytes] of files) {
  const packed = gzipSync(bytes, { level: 9 });
  fs.writeFileSync(path.join(target, name), bytes);
  fs.writeFileSync(path.join(target, `${name}.gz`), packed);
  sizes[name] = { bytes: bytes.length, gzip: packed.length };
}
// Last: a build that was cut short leaves no manifest.
fs.writeFileSync(
  path.join(target, "manifest.json"),
  `${JSON.stringify({ names, needs, files: sizes }, null, 1)}\n`
);
for (const [name, { bytes, gzip }] of Object.entries(sizes)) {
  console.log(`${name}  ${kilo(bytes)} kB, ${kilo(gzip)} kB as gzip`);
}

function digest(bytes) {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 8).toUpperCase();
}

function kilo(bytes) {
  return (bytes / 1000).toFixed(1);
}

function othersLicences(inputs) {
  const packages = new Set();
  for (const input of inputs) {
    const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found) {
      packages.add(found[1]);
    }
  }
  const texts = [...packages].sort().map((name) => {
    const folder = path.join(here, "node_modules", name);
    const about = JSON.parse(fs.readFileSync(path.join(folder, "package.json")));
    const file = fs
      .readdirSync(folder)
      .find((each) => /^(licen[cs]e|copying)(\.|$)/i.test(each));
    if (!file) {
      throw new Error(`${name} ${about.version} brings no licence text`);
    }
    const text = fs.readFileSync(path.join(folder, file), "utf8").trim();
    return `${name} ${about.version} (${about.license})\n\n${text}\n`;
  });
  return `The page of rsmonitor contains:\n\n${texts.join("\n----\n\n")}`;
}
