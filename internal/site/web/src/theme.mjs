// Light and dark: the system's choice, until someone chooses.

const KEY = "clipnh-theme";
const CHOICES = ["system", "light", "dark"];

function read() {
  try {
    const value = localStorage.getItem(KEY);
    return CHOICES.includes(value) ? value : "system";
  } catch {
    return "system"; // storage is refused to files by some browsers
  }
}

function write(value) {
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // The choice then lasts as long as the page.
  }
}

// apply sets the theme and tells figures that draw with colours of their own.
export function apply(choice) {
  const root = document.documentElement;
  if (choice === "system") root.removeAttribute("data-theme");
  else root.setAttribute("data-theme", choice);
  document.dispatchEvent(new CustomEvent("clipnh-theme"));
}

// start applies the stored choice and makes the switch follow and set it.
export function start(select) {
  const choice = read();
  select.value = choice;
  apply(choice);
  select.addEventListener("change", () => {
    write(select.value);
    apply(select.value);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(select.value));
}

// colour is the value of a colour variable of the style sheet.
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export function isDark() {
  return colour("scheme") === "dark";
}
