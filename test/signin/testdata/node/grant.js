// An approver with a browser and an identity provider that asks for a password: gives a
// grant, lets a held statement run, and takes the grant back. One JSON object in by stdin.
// Lines out by stdout: what the other side should do next ("ask", "work"), and last one
// JSON object.
//
// in:  {gateway, provider, user, password}
// out: {problems: [...], texts: {name: text}}
const fs = require('fs');
const { chromium } = require('playwright-core');

async function main() {
  const o = JSON.parse(fs.readFileSync(0).toString());
  const problems = [];
  const texts = {};
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  context.setDefaultTimeout(60000);
  const page = await context.newPage();
  page.on('pageerror', (e) => problems.push('page error: ' + e.message));
  const say = (line) => process.stdout.write(line + '\n');
  const signIn = async () => {
    await page.click(`text=Sign in with ${o.provider}`);
    await page.fill('input[name=username]', o.user);
    await page.fill('input[name=password]', o.password);
    await page.press('input[name=password]', 'Enter');
  };
  const take = async (name) => { texts[name] = await page.textContent('main'); };

  await page.goto(o.gateway + '/');
  await signIn();
  await page.waitForSelector('text=Nothing waits for you');

  // Access is asked for. The provider said that it asked for the password long ago, so
  // deciding takes another sign-in, and leads back to the request.
  say('ask');
  await page.click('.card');
  await page.waitForSelector('#yes');
  await take('request');
  await page.click('button.primary');
  await page.waitForSelector(`text=Sign in with ${o.provider}`);
  await take('again');
  await signIn();
  await page.waitForSelector('#yes');
  if (!/\/requests\/\d+$/.test(page.url())) problems.push('signing in again led to ' + page.url());
  await page.click('button.primary');
  await page.waitForSelector('.state.approved');
  await take('approved');

  // Under the grant, a statement is held and approved.
  await page.goto(o.gateway + '/');
  say('work');
  await page.click('.card:has-text("UPDATE")');
  await page.waitForSelector('dt:has-text("Rows")');
  await take('held');
  await page.fill('#yes', 'looks right');
  await page.press('#yes', 'Enter');
  await page.waitForSelector('.state.approved');

  // The grant is taken back.
  await page.click('nav >> text=Grants');
  await take('grants');
  await page.fill('input[name=reason]', 'that is enough');
  await page.click('button.danger');
  await page.waitForSelector('.state.denied');
  await take('revoked');
  await browser.close();
  say(JSON.stringify({ problems, texts }));
}

main().catch((e) => { console.error(e); process.exit(1); });
