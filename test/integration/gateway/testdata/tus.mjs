// Uploads a file with tus-js-client and prints the job's id.
import {createRequire} from "node:module"
import {readFileSync} from "node:fs"
import {basename, resolve} from "node:path"

const [module, endpoint, file, chunk] = process.argv.slice(2)
const tus = createRequire(resolve(module) + "/")("tus-js-client")
let job
new tus.Upload(readFileSync(file), {
  endpoint,
  chunkSize: Number(chunk),
  retryDelays: Array(20).fill(50),
  metadata: {filename: basename(file), filetype: "text/x.gcode"},
  onAfterResponse: (_, response) => { job = response.getHeader("Upload-Job-Id") ?? job },
  onSuccess: () => console.log(job),
  onError: error => { console.error(String(error)); process.exit(1) },
}).start()
