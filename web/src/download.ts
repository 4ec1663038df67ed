// Downloads that need a token: a link cannot carry one.
import { call, through } from "./api";
import type { FileInfo } from "./types";

interface SaveDialog {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<FileSystemFileHandle>;
}

/** Saves a file, straight to the disk where the browser can, by way of memory where it cannot; or not, if nobody wants to. */
export async function saveFile(file: FileInfo): Promise<void> {
  const picker = (window as SaveDialog).showSaveFilePicker;
  if (picker) {
    let handle: FileSystemFileHandle;
    try {
      handle = await picker.call(window, { suggestedName: file.name });
    } catch (err) {
      if (err instanceof DOMException && err.name === "AbortError") return; // the dialog was cancelled
      throw err;
    }
    const response = await call(through(file.download!));
    await response.body!.pipeTo(await handle.createWritable());
    return;
  }
  const address = URL.createObjectURL(await (await call(through(file.download!))).blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
