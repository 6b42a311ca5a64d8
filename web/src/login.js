// The door works without a script; with one, the password can be shown.
import "./style.css";
import { restoreContrast } from "./contrast.js";

restoreContrast();
const password = document.getElementById("password");
const button = document.getElementById("reveal");
if (password && button) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = password.type === "password";
    password.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
    password.focus();
  });
}
