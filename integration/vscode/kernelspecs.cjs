// Finds kernelspecs as VS Code does without Python: by reading kernel.json in Jupyter's directories.
const { existsSync, readFileSync } = require("node:fs")
const { delimiter, join } = require("node:path")

/** The kernelspec of this name; the first directory that has one wins. */
function find(name) {
  const directories = [...(process.env.JUPYTER_PATH ?? "").split(delimiter), process.env.JUPYTER_DATA_DIR]
  for (const directory of directories.filter(Boolean)) {
    const file = join(directory, "kernels", name, "kernel.json")
    if (existsSync(file)) return { name, ...JSON.parse(readFileSync(file, "utf8")) }
  }
  throw new Error(`no kernelspec ${name} in ${directories}`)
}

module.exports = { find }
