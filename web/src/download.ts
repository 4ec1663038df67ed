// Downloads that need a token: a link cannot carry one.
import { call } from "./api";
import type { FileInfo } from "./types";

interface SaveDialog {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<FileSystemFileHandle>;
}

/** Saves a file, straight to the disk where the browser can, by way of memory where it cannot. */
export async function saveFile(file: FileInfo): Promise<void> {
  const picker = (window as SaveDialog).showSaveFilePicker;
  if (picker) {
    const handle = await picker.call(window, { suggestedName: file.name });
    const response = await call(file.download!);
    await response.body!.pipeTo(await handle.createWritable());
    return;
  }
  const address = URL.createObjectURL(await (await call(file.download!)).blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
