// Saving: into a file of the browser's downloads, or to the clipboard.

/** Downloads a file. */
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser reads it after this function.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Copies a text to the clipboard. Returns whether it could. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages of other machines over http have no clipboard; the old command works there.
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "hidden";
    const focused = document.activeElement;
    document.body.append(field);
    field.select();
    const isCopied = document.execCommand("copy");
    field.remove();
    focused?.focus();
    return isCopied;
  }
}
