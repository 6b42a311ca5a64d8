// High contrast, kept by the browser: for a screen in the sun.
const KEY = "rsmonitor-contrast";

export function restoreContrast() {
  try {
    document.documentElement.classList.toggle("contrast", localStorage.getItem(KEY) === "1");
  } catch {
    // a browser that keeps nothing has the usual contrast
  }
}

export function isContrast() {
  return document.documentElement.classList.contains("contrast");
}

export function toggleContrast() {
  const on = document.documentElement.classList.toggle("contrast");
  try {
    localStorage.setItem(KEY, on ? "1" : "");
  } catch {
    // then it lasts as long as the page
  }
  return on;
}
