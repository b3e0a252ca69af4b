// An approver with a browser: signs in, waits at the inbox, decides. One JSON object in by
// stdin. Lines out by stdout: what the other side should do next ("deny", "approve",
// "leave"), and last one JSON object.
//
// in:  {gateway, person, marker, shots?}
// out: {problems: [...], texts: {name: text}}
const fs = require('fs');
const { chromium } = require('playwright-core');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

async function main() {
  const o = JSON.parse(fs.readFileSync(0).toString());
  const problems = [];
  const texts = {};
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(60000);
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (e) => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`));
  });
  const page = await context.newPage();
  page.on('pageerror', (e) => problems.push('page error: ' + e.message));
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) problems.push(`console on ${page.url()}: ${m.text()}`); });
  page.on('dialog', (d) => { problems.push('a dialog: ' + d.message()); d.dismiss(); });
  let n = 0;

  // look takes the page in, wide and narrow, by day and by night.
  const look = async (name) => {
    texts[name] = await page.textContent('main');
    for (const scheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: scheme });
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 800 });
        if (await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth)) problems.push(`${name}: wider than ${width}`);
        if (o.shots) await page.screenshot({ path: `${o.shots}-${name}-${width}-${scheme}.png`, fullPage: true });
        await page.evaluate(axe); // not by a script element: the policy allows no other scripts
        const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
        for (const v of found.violations) problems.push(`${name}, ${width}, ${scheme}: ${v.id}: ${v.help}: ${v.nodes.map((x) => x.target.join(' ')).join('; ')}`);
      }
    }
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.emulateMedia({ colorScheme: 'light' });
  };
  const say = (line) => process.stdout.write(line + '\n');

  await page.goto(o.gateway + '/');
  await page.click(`button[value=${o.person}]`);
  await page.waitForSelector('text=Nothing waits for you');
  await look('empty');
  await page.keyboard.press('Tab');
  if (await page.evaluate(() => document.activeElement.className) !== 'skip') problems.push('Tab does not begin at the skip link');

  // A request comes into the inbox by itself, and is denied with a reason.
  say('deny');
  await page.waitForSelector(`.card:has-text("${o.marker}")`);
  await look('inbox');
  if (!/^\(1\)/.test(await page.title())) problems.push('the title does not say that one waits: ' + await page.title());
  await page.click('.card');
  await page.waitForSelector('dt:has-text("Rows")');
  await look('request');
  // Who reads is not disturbed while nothing changes but the time that is left.
  await page.evaluate(() => { const sql = document.querySelector('pre'); sql.dataset.read = 'yes'; sql.scrollTop = 200; sql.focus(); });
  const left = await page.textContent('[data-left]');
  await page.waitForFunction((was) => document.querySelector('[data-left]').textContent !== was, left);
  if (!await page.evaluate(() => document.activeElement.dataset.read === 'yes' && document.activeElement.scrollTop === 200)) problems.push('the statement was replaced while somebody read it');
  await page.click('button.danger');
  if (!await page.evaluate(() => document.querySelector('#no').matches(':invalid:focus'))) problems.push('Deny without a reason is not stopped at the field');
  await page.fill('#no', 'not <b>on</b> a Friday');
  await page.press('#no', 'Enter');
  await page.waitForSelector('.state.denied');
  await look('denied');

  // The next one is approved with the keyboard alone.
  await page.goto(o.gateway + '/');
  say('approve');
  await page.waitForSelector(`.card:has-text("${o.marker}")`);
  await page.focus('.card');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#yes');
  await page.focus('#yes');
  await page.keyboard.type('looked at it');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.state.approved');
  await look('approved');

  // A client that goes away takes the buttons with it.
  await page.goto(o.gateway + '/');
  say('leave');
  await page.waitForSelector('.card');
  await page.click('.card');
  await page.waitForSelector('#decide');
  say('left');
  await page.waitForSelector('.state.cancelled');
  if (await page.$('#decide')) problems.push('one can still decide what has ended');

  await page.click('nav >> text=Requests');
  await page.waitForSelector('.card');
  await look('requests');
  await page.click('nav >> text=Grants');
  await page.waitForSelector('.card');
  await look('grants');
  await page.click('nav >> text=Sessions');
  await page.waitForSelector('.card');
  await look('sessions');
  await page.click('.card');
  await page.waitForSelector('pre.sql');
  await look('session');
  await page.goto(o.gateway + '/nowhere');
  await look('problem');
  await page.click('button:has-text("Sign out")');
  await page.waitForSelector('text=You are signed out');
  await look('signedout');
  await browser.close();
  // That there is nothing at an address is an answer of 404, which Chromium reports.
  say(JSON.stringify({ problems: problems.filter((p) => !/nowhere: Failed to load resource.*404/.test(p)), texts }));
}

main().catch((e) => { console.error(e); process.exit(1); });
