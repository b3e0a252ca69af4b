package mask

import "strings"

// The lists below are common knowledge, written for this file: given names and
// surnames as they are common in the United States, larger cities, states, and the
// words of clinical texts that begin with a capital and are no names.

// What a word can be. A word is of several kinds: Rose, Will, Green, Austin.
const (
	isGiven   = 1 << iota // a given name
	isSurname             //
	isCommon              // also an ordinary word, so it needs more around it
	isStop                // no part of a name or place, whatever stands before it
	isTitle               // stands before a name: Dr, Mrs
	isCue                 // a name, known or not, may follow: patient, Dear
	isWeakCue             // a known name may follow: by, with
	isDegree              // stands behind a name: MD
	isSuffix              // belongs to a name: Jr, III
	isJoint               // joins parts of a name: van, de la
	isEponym              // after a name, it is a disease or device: syndrome
	isPlace               // after a name, it is a place or body: Hospital
	isState               // a state's name, or the first word of one
	isCity                // a city's name, or the first word of one
	isStreet              // a kind of street
	isCityCue             // a city may follow: in, from
	// By these a word is not yet known.
	isRecord // in capitals, it stands between a name and a number: MRN
	isBeside // a city may stand before it or behind it: County
	isHome   // a city may follow: City, Hometown
	isHalf   // the first word of a state's name of two: Rhode
	// As it is written: these stand in no list.
	isCode    // two capitals that are a state's code
	isCaps    // all capitals
	isInitial // one letter
	isPlain   // letters of ASCII, and nothing else
	isLone    // no detector but those of words with capitals looks at a byte of it

	known = isRecord - 1
)

// words is what is known of words.
var words = newWords()

func newWords() *dictionary {
	d := newDictionary(13)
	for _, l := range []struct {
		flags uint64
		list  string
	}{
		{isGiven, givenNames},
		{isGiven | isCommon, givenCommon},
		{isSurname, surnames},
		{isSurname | isCommon, surnameCommon},
		{isStop, stopWords},
		{isTitle, "dr doctor mr mrs ms miss mx prof professor rev sir madam sra sr. sheriff officer"},
		{isCue, `patient pt name names mother father mom dad wife husband spouse partner son daughter brother sister aunt uncle
			grandmother grandfather grandson granddaughter niece nephew cousin guardian caregiver caretaker roommate friend neighbor
			fiance fiancee girlfriend boyfriend attending physician surgeon resident provider nurse pharmacist therapist dietitian
			technician tech interpreter anesthesiologist radiologist pathologist cardiologist student intern manager
			dear hi hello thanks regards sincerely cheers re cc attn signed guarantor subscriber insured beneficiary kin contact
			author dictated transcribed reviewed employer employee client member resident worker counselor sender recipient`},
		{isWeakCue, "by with from to for and per via called saw told met asked attention consult consulted contacted spoke"},
		{isDegree, "md do rn np pa pac phd lpn dds dmd pharmd lcsw cnm aprn dpm fnp msw dnp crna mph psyd od dpt otr ccc lmft mbbs facs"},
		{isSuffix, "jr sr ii iii iv"},
		{isJoint, "de la del van der den von bin al da di dos st le du ter ten el san mac"},
		{isEponym, `disease syndrome sign signs test catheter palsy scale score scores drain phenomenon criteria reflex fracture
			cyst tumor lymphoma sarcoma ulcer node nodes cell cells body bodies clamp forceps tube maneuver procedure operation
			technique classification classification index stain stage staging grade chorea thyroiditis esophagus contracture
			position line lines method rule formula anomaly malformation dementia brace cuff wrap bandage protocol collar valve
			shunt stent graft pump needle retractor monitor calculator risk ratio law dystrophy nodule ring pouch edema fever paralysis`},
		{isPlace, `hospital clinic center centre medical university college school street avenue road county department unit ward
			pharmacy laboratory lab institute foundation church park building hall house home health healthcare insurance bank
			company inc llc corp association society group services general memorial nursing rehab rehabilitation hospice`},
		{isState, `alabama alaska arizona arkansas california colorado connecticut delaware florida georgia hawaii idaho illinois
			indiana iowa kansas kentucky louisiana maine maryland massachusetts michigan minnesota mississippi missouri montana
			nebraska nevada ohio oklahoma oregon pennsylvania tennessee texas utah vermont virginia washington wisconsin wyoming`},
		{isCity, cityNames},
		{isStreet, `street st avenue ave road rd boulevard blvd lane ln drive dr court ct place pl way circle cir terrace ter
			parkway pkwy highway hwy trail trl square sq loop alley aly plaza plz broadway expressway expy turnpike tpke crossing
			path row run ridge point pt heights hts route rte freeway fwy cove landing commons walk pike bend`},
		{isCityCue, "in from of to near at"},
		{isRecord, "dob mrn ssn"},
		{isBeside, "city county parish borough hometown"},
		{isHome, "city hometown"},
		{isHalf, "new north south west rhode"},
	} {
		for w := range strings.FieldsSeq(l.list) {
			d.add(strings.Trim(w, "."), l.flags)
		}
	}
	return d
}

const givenNames = `
aaron abby abdul abigail abraham ada adam addison adele adrian adriana adrienne agnes ahmad ahmed aidan aileen aisha alan alana albert alberto
alejandra alejandro alex alexa alexander alexandra alexis alfonso alfred alfredo ali alice alicia alisha alison allan allison alma alvin alyssa amanda
amelia amina amir amy ana anastasia andre andrea andres andrew andy angel angela angelica angelina angie anita ann anna anne annette annie
anthony antoine antonio april arlene arthur arturo ashley aubrey audrey aurora ava avery barbara barry beatrice becky ben benjamin bernadette
bernard bernice bertha bessie beth bethany betty beverly bianca billy blake blanca bobby bonnie brad bradley brandi brandon brandy brenda brendan
brent brett brian brianna bridget brittany brooke bruce bryan bryant byron caitlin caleb calvin cameron camille candace candice cara carla carlos
carmen carol carole caroline carolyn carrie casey cassandra catherine cathy cecil cecilia cedric celeste cesar chad charlene charles charlie
charlotte chelsea cheryl chester chloe chris christian christie christina christine christopher christy cindy claire clara clarence claude claudia
clayton clifford clifton clinton clyde cody colin colleen connie connor conrad constance cora corey courtney craig cristina crystal curtis cynthia
daisy damian damon dan dana daniel daniela danielle danny darius darlene darnell darrell darren darryl daryl dave david dean deanna debbie deborah
debra delia della delores denise dennis derek derrick desiree devin devon diana diane dianne diego dina dolores dominic dominique don donald donna
dora doris dorothy douglas duane dustin dwayne dwight dylan earl eddie edgar edith edna eduardo edward edwin eileen elaine eleanor elena elias elijah
elisa elise elizabeth ella ellen ellie elmer eloise elsie emanuel emilio emily emma enrique eric erica erick erik erika erin ernest ernesto
ernestine esteban esther ethan ethel eugene eunice eva evan evelyn ezekiel ezra faisal fatima felicia felipe felix fernando florence floyd frances
francesca francis francisco franklin fred freda freddie frederick gabriel gabriela gabrielle gail garrett gary gavin geneva genevieve geoffrey george
gerald geraldine gerard gerardo gertrude gilbert gina gladys glen glenda glenn gloria gordon greg gregory greta gretchen guadalupe guillermo gustavo
gwen gwendolyn hannah hans harold harriet harry harvey hassan hazel heather hector heidi helen henrietta henry herbert herman hilda holly homer
horace howard hugo ian ibrahim ida ignacio imani ina ines ingrid ira irene irma irving isaac isabel isabella isaiah ismael israel ivan jackie
jaclyn jacob jacqueline jaime jake jamal james jamie jan jane janelle janet janice janie jared jasmine jason javier jay jayden jean jeanette jeanne
jeff jeffery jeffrey jenna jennie jennifer jenny jeremiah jeremy jermaine jerome jerry jesse jessica jessie jesus jill jillian jim jimmy jo joan joann
joanna joanne jodi jody joe joel johanna john johnnie johnny jon jonathan jordan jorge jose joseph josephine joshua josue joyce juan juana juanita
judith judy julia julian juliana julie julio june justin kaitlyn kara karen kari karina karl karla kate katelyn katherine kathleen kathryn kathy katie
katrina kayla keisha keith kelley kelli kelly kelsey kendra kenneth kenny kent kerry kevin khadija kim kimberly kirk krista kristen kristi kristin
kristina kristy krystal kumar kurt kyle lakshmi lamar lance larry latasha latoya laura lauren laurie lawrence leah leila lena leo leon leona leonard
leonardo leroy leslie lester leticia lewis liam lillian lillie linda lindsay lindsey lisa lloyd logan lois lola loretta lori lorraine louis louise lucas
lucia lucille lucinda lucy luis luisa luke lula luther luz lydia lyle lynda lynette lynn mabel mackenzie madeline mae maggie malcolm malik mandy
manuel marc marcela marcella marcia marco marcos marcus margaret margarita margie maria marian marianne maribel marie marilyn mario marion marisa
marisol marjorie marlene marsha marshall martha martin marvin mary maryann mateo mathew matthew mattie maureen maurice max maxine maya megan
mehmet melanie melinda melissa melody melvin mercedes meredith mia micah michael michaela micheal michele michelle miguel mike mildred milton mindy
minnie miranda miriam mitchell mohamed mohammad mohammed moises molly mona monica monique morris moses muhammad muriel myra myrtle nadia nadine nancy
naomi natalie natasha nathan nathaniel neal neil nelson nicholas nichole nick nicolas nicole nina noah noel nora norma norman olga olive oliver
olivia omar ophelia orlando oscar otis owen pablo pam pamela patricia patrick patsy patti patty paul paula paulette pauline pedro peggy percy perry
pete peter philip phillip phyllis preston priscilla priya rachel rafael ralph ramiro ramon ramona randall randolph randy raquel rashid raul raymond
rebecca regina reginald rena renee rhonda ricardo richard rick ricky rita robert roberta roberto robin robyn rochelle roderick rodney rodolfo rogelio
roger roland rolando roman ron ronald ronnie roosevelt rosa rosalie rosario rosemarie rosemary rosie ross roxanne roy ruben rudolph rudy rufus russell
ruth ryan sabrina sadie sally salvador sam samantha samuel sandra sandy santiago santos sara sarah saul sebastian sergio seth shane shannon sharon
shaun shawn sheila shelby shelia shelly sheri sherri sherry sheryl shirley siddharth sidney silvia simon simone sofia sonia sonja sonya sophia sophie
stacey stacy stanley stefan stella stephanie stephen steve steven stewart stuart susan susie suzanne sylvester sylvia tabitha tamara tameka tammy tanya
tara tariq tasha ted teresa teri terrance terrence terri terry thelma theodore theresa thomas tiffany tim timothy tina toby todd tom tomas tommy toni
tony tonya tracey traci tracy travis trevor tricia trina tristan troy tyler tyrone valerie vanessa velma vera verna vernon veronica vicki vickie vicky
vincent viola vivian wallace walter wanda warren wayne wei wendell wendy wesley whitney wilbur wilfred willard william willie wilma winifred winston
xavier yasmin yesenia yolanda yuki yusuf yvette yvonne zachary zoe`

const givenCommon = `
amber art august autumn bill brook chance chase cherry christmas clay cliff colt dale dawn dick drew eve faith flora forest frank gene ginger grace
grant guy hank harmony heath herb hope hunter iris ivy jack jade jasper jewel joy kay lane lily max may melody mercy miles mark norm olive paige pat
pearl penny peg pierce ray reed rich rob robin rocky rod rose ruby rusty sage sandy skip sky star sterling stone sue summer terra van violet wade ward
will woody austin brooklyn carolina dakota dallas georgia houston india israel jordan london madison paris phoenix savannah sierra sydney victoria
virginia carter mason parker taylor tucker cooper spencer bob angel christian`

const surnames = `
abbott abdullah acevedo acosta adams adkins aguilar aguirre ahmed alexander ali allen allison alvarado alvarez anderson andrews aquino armstrong arnold
arroyo ashley atkins atkinson austin avila ayala bailey baldwin ballard banerjee barber barker barnes barnett barr barrera barrett barron bartlett barton
bates bauer beasley becker benitez bennett benson bentley bernard blackburn blackwell blair blake blanchard blevins bowen bowers bowman boyd boyer
bradford bradley bradshaw brady brandt brennan brewer bridges briggs browning bryan bryant buchanan buckley burgess burke burnett burton bush butler
byrd cabrera cain calderon caldwell calhoun callahan camacho cameron campbell campos cannon cantu cardenas carey carlson carpenter carr carrillo carroll
carson carter castaneda castillo castro cervantes chambers chan chandler chang chapman chavez chen cherry cho choi christensen christian chu chung
church clark clarke clayton clements cline cobb cochran cohen coleman collier collins colon combs compton conley conner conrad contreras conway cooke
cooper copeland cordova corona correa cortes cortez costa cowan craig crane crawford crosby cruz cuevas cummings cunningham curry curtis dalton daniel
daniels daugherty davenport davidson davies davis dawson decker delacruz deleon delgado dennis diaz dickerson dickson dillon dixon dodson dominguez
donaldson donovan dorsey dougherty douglas doyle drake duarte dudley duffy duncan dunlap dunn duran dyer eaton edwards elliott ellis ellison english
erickson escobar espinosa espinoza esquivel estes estrada evans everett ewing farley farmer farrell faulkner ferguson fernandez ferreira figueroa finley
fischer fisher fitzgerald fitzpatrick fleming fletcher flores flowers floyd flynn foley fonseca forbes fowler francis franco franklin frazier frederick
freeman french frey friedman frye fuentes fuller galindo gallagher gallegos galloway galvan gamble garcia gardner garner garrett garrison garza gates
gentry george gibbs gibson gilbert gill gillespie gilmore glass glenn glover golden goldberg gomez gonzales gonzalez good goodman goodwin gordon gould
graham gray greene greer gregory griffin griffith grimes gross guerra guerrero guevara gupta gutierrez guzman hahn haley hamilton hammond hampton hancock
hanna hansen hanson hardin harding hardy harmon harper harrell harrington harris harrison hartman harvey hassan hawkins hayes haynes hebert henderson
hendricks hendrix henry hensley henson herman hernandez herrera herring hess hester hickman hicks higgins hinton hobbs hodge hodges hoffman hogan
holland holloway holmes hooper hoover hopkins horne horton houston howard howell huang huber hubbard hudson huerta huff huffman hughes hull humphrey hunt
hunter hurley hurst hussain hutchinson huynh ibarra ingram ibrahim irwin jackson jacobs jacobson james jaramillo jarvis jefferson jenkins jennings
jensen jimenez johns johnson johnston jones jordan jorgensen joseph juarez kaiser kang kaur keith keller kelley kelly kemp kennedy kent khan kim kirby
kirk klein knapp knight koch kramer krause krueger kumar lam lambert landry lang lara larsen larson lawrence lawson le leach leblanc lee leon leonard
lester levine levy lewis li lim lin lindsey liu livingston lloyd logan lopez lowe lowery lozano lucas lucero lugo luna lynch lynn lyons macdonald macias
mack madden maddox mahoney maldonado malone mann manning maria marin marquez marsh marshall martin martinez mason massey mata mathews mathis matthews
maxwell mayer maynard mayo mcbride mccall mccann mccarthy mcclain mcclure mcconnell mccormick mccoy mccullough mcdaniel mcdonald mcdowell mcfarland mcgee
mcgrath mcguire mcintosh mcintyre mckay mckee mckenzie mckinney mcknight mclaughlin mclean mcmahon mcmillan mcneil mcpherson meadows medina mehta mejia
melendez melton mendez mendoza mercado merritt meyer meyers meza michael middleton miles miller mills miranda mitchell molina monroe montes montgomery
montoya moody moon mooney moore mora morales moran moreno morgan morris morrison morrow morse morton moses mosley moss moyer mueller mullen mullins munoz
murillo murphy murray myers nava navarro neal nelson newman newton nguyen nichols nicholson nielsen nixon noble nolan norman norris norton novak nunez
obrien ochoa oconnor odonnell oliver olsen olson orozco orr ortega ortiz osborne owen owens pace pacheco padilla palmer park parker parks parra parrish
parsons patel patrick patterson patton paul payne pearson peck pena pennington perez perkins perry person peters petersen peterson petty pham phelps
phillips pineda pittman ponce porter portillo potter potts powell powers prince pratt preston price proctor pruitt pugh quinn quintero ramirez ramos ramsey
randall randolph rangel rasmussen ray raymond reed reese reeves reid reilly reyes reynolds rhodes rich richard richards richardson richmond riley rios
rivas rivera rivers robbins roberson roberts robertson robinson robles rocha rodgers rodriguez rogers rojas roman romero rosales rosario rosas
rosenberg ross rowe rowland roy rubio ruiz rush russell russo ryan saenz salas salazar salgado salinas sampson sanchez sanders sanderson sandoval
sanford santana santiago santos saunders savage sawyer schaefer schmidt schmitt schneider schroeder schultz schwartz scott sellers serrano sexton shaffer
shah shannon sharma shaw shelton shepherd sheppard sherman shields short silva simmons simon simpson sims singh singleton skinner sloan smith snyder
solis solomon soto sparks spears spencer stafford stanley stanton stark steele stein stephens stephenson stevens stevenson stewart stokes strickland
strong stuart suarez sullivan summers sutton swanson sweeney tanner tapia tate taylor terrell terry thomas thompson thornton tran travis trejo trevino
trujillo tucker turner tyler underwood valdez valencia valentine valenzuela vance vargas vasquez vaughan vaughn vazquez vega velasquez velazquez velez
villa villanueva villarreal villegas vincent vu wade wagner walker wallace waller walls walsh walter walters walton wang warner warren washington waters
watkins watson watts weaver webb weber webster weeks weiss welch wells whitaker whitehead whitney wiggins wilcox wiley wilkerson wilkins wilkinson
williams williamson willis wilson winters wolf wolfe wong woodard woods woodward wright wu xiong yang yates yoder york young yu zamora zapata zavala
zhang zimmerman zuniga nakamura tanaka haddad kowalski sato suzuki yamamoto ito watanabe ivanov petrov rossi ferrari muller`

const surnameCommon = `
ball banks barber bean bell berry best bird bishop black blue bond booth bowers branch bright brown burns bush butler camp case cash chase church close
coffey cole conner cook cox crane cross day dean drew duke english ferry field fields fisher fish fleming ford forest foster fox frank freeman french
frost gay gentle glass gold golden good grace grant graves gray green grey hale hall hand hart hayes head heart henry hill hood horn house hunt jack joy
kane key kidd king kirk knight lake lamb lane law leach little long love low lowe man marsh may mays mead miles mill moon neal noble page park peace
perry person pool poole pope post potter powers price prince pugh quick rice rich rivers rose roth rowe rush sands savage sharp shepherd short small
sparks stark steele stone strong summer tate temple valentine walls ward waters webb weeks welch west white wise wolf wood woods worth young nash baker
carter mason cooper parker porter hunter miller taylor turner walker carpenter gardner piper weaver winter harmon weiss kim read`

const cityNames = `
abilene akron albany albuquerque alexandria allentown amarillo anaheim anchorage annapolis arlington asheville athens atlanta augusta aurora austin
bakersfield baltimore bangor baton beaumont bellevue bellingham bend berkeley bethesda billings birmingham bismarck bloomington boise boston boulder
bozeman bridgeport bronx brooklyn brownsville buffalo burbank burlington cambridge camden canton carlsbad cary casper champaign chandler charleston
charlotte chattanooga chesapeake cheyenne chicago chula cincinnati clearwater cleveland clovis colorado columbia columbus concord corona corpus
costa covington cupertino dallas davenport dayton daytona dearborn decatur denton denver des detroit dover dubuque duluth durham eau edison el elgin
elizabeth elmhurst erie escondido eugene evanston evansville everett fairfield fargo fayetteville flagstaff flint fort framingham fremont fresno
frisco fullerton gainesville galveston garland gary gilbert glendale grand greeley green greensboro greenville gresham gulfport hampton harrisburg
hartford hayward henderson hialeah hollywood honolulu houston huntington huntsville independence indianapolis inglewood irvine irving jackson
jacksonville jersey joliet juneau kalamazoo kansas kenosha killeen knoxville lafayette lakeland lakewood lancaster lansing laredo las lawrence lewisville
lexington lincoln little livonia long los louisville lowell lubbock macon madison manchester manhattan mcallen medford memphis mesa mesquite miami
midland milwaukee minneapolis missoula mobile modesto montgomery muncie murfreesboro naperville naples nashville new newark newport norfolk norman oakland
oceanside odessa ogden oklahoma olathe olympia omaha ontario orange orem orlando overland oxnard paducah palmdale palo pasadena paterson pensacola
peoria philadelphia phoenix pittsburgh plano pocatello pomona portland providence provo pueblo queens raleigh rancho rapid reno richardson
richmond riverside roanoke rochester rockford roseville sacramento saint salem salinas salt san santa sarasota savannah schenectady scottsdale
scranton seattle shreveport simi sioux spokane springfield st stamford stockton sunnyvale surprise syracuse tacoma tallahassee tampa tempe toledo topeka
torrance trenton tucson tulsa tuscaloosa tyler utica vallejo vancouver ventura victorville virginia visalia waco walla warren washington waterbury waterloo
wausau west wheeling wichita wilmington winston worcester yakima yonkers york youngstown yuma zanesville`

const stopWords = `
the this that these those he she it they we you his her its their our my your who what when where why how if as at by for from in into of off on onto
out over to under up with without and or but nor so yet not no yes all any both each few more most other some such only own same than too very can
could did does doing done had has have having is are was were be been being would shall should might must do let
after again before during until while since because about against between through above below here there then once now today tomorrow yesterday
january february march june july august september october november december jan feb mar apr jun jul aug sep sept oct nov dec
monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun morning afternoon evening night
patient patients pt pts name names date time birth sex male female age dob mrn ssn id number address phone fax email home cell work address city state zip
code chief complaint history present illness past medical surgical social family review systems physical exam examination assessment plan impression
allergies medications medication meds labs lab laboratory results result imaging vitals vital signs general constitutional head eyes ears nose throat neck
chest lungs heart abdomen abdominal extremities skin neuro neurologic neurological psych psychiatric musculoskeletal cardiovascular cardiac respiratory
pulmonary gastrointestinal genitourinary endocrine hematologic oncology radiology cardiology neurology surgery surgical urology nephrology dermatology
pediatrics pediatric obstetrics gynecology orthopedics orthopedic ophthalmology pathology anesthesia anesthesiology emergency department dept room unit floor
icu nicu picu pacu er ed or ob gyn ent ct mri xray x-ray ekg ecg eeg us echo ultrasound scan view views film study report note notes progress
discharge admission admit admitted discharged transfer transferred summary consult consultation follow followup appointment visit clinic hospital center
health healthcare care medicine medical nursing nurse physician doctor provider therapy therapist occupational speech rehab rehabilitation education
instructions consent form forms record records chart page order orders protocol case manager management services service
normal abnormal negative positive acute chronic mild moderate severe stable unstable denies reports states presents complains endorses continue start stop
hold increase decrease monitor recheck check give given received take took return call called seen noted discussed reviewed signed electronically verified
requested scheduled pending completed done none unknown other see also per via re
mother father parent parents wife husband spouse son daughter brother sister family friend caregiver guardian contact kin partner both mr mrs ms dr
insurance policy member group plan medicare medicaid medigap claim claims billing account balance payment total copay deductible subscriber guarantor visa
mastercard amex discover card bank
type grade stage class score scale level left right bilateral upper lower anterior posterior lateral medial proximal distal
tablet tablets capsule capsules pill dose doses daily twice weekly mg mcg ml iv po im prn bid tid qid qhs
vitamin iron calcium sodium potassium magnesium glucose protein blood urine stool culture fluid fluids oxygen diet pain fever cough nausea
vomiting diarrhea constipation headache dizziness weakness fatigue rash swelling edema bleeding infection sepsis pneumonia diabetes hypertension asthma cancer
anemia stroke seizure depression anxiety allergy penicillin sulfa latex aspirin tylenol insulin heparin warfarin coumadin lasix lipitor zofran keppra ativan
humira norco advair ibuprofen metformin lisinopril
test tests testing screening procedure procedures operation treatment dressing wound device implant pacemaker pump lot model serial software version build
system systems network server interface log message portal mychart link session login user password account
new old last first second third next previous prior current recent due risk factor factors mass case series problem problems list active
united states american national international joint commission association society heart york boston federal veterans affairs
sincerely regards thanks thank dear hi hello best please note attention authorization release information notice urgent important confidential
sutures site intake output peak flow gleason drove hct known known target factor dose dx rx tx hx fx sx
street avenue road drive lane court north south east west apt suite floor building box
cognitive montreal glasgow coma homans foley apgar
electronically dictated transcribed reviewed authored cosigned attested addendum addended
education counseling respiratory infectious disease critical intensive internal primary palliative hospice urgent express
vehicle tag plate license certificate nurse scrub tech attending resident intern student fellow
drug allergies substance alcohol tobacco smoking exercise activity sleep mood affect judgment insight memory`
