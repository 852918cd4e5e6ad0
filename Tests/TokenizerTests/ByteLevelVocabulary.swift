/// A small byte-level vocabulary: two control tokens, the 256 bytes, then one token for each merge.
///
/// Trained on free English documentation for the model relu-opt-3m (Apache-2.0).
enum ByteLevelVocabulary {
    /// Left and right part of each merge in turn.
    static let merges = #"""
        Ġ t Ġ a h e i n Ġ o Ġt he e r r e o n Ġ s a t i s i t Ġ c Ġ w e n a l Ġ p Ġo f a n e d o r e
        s Ġa n Ġ b a r Ġ f Ġ in in g i c i on Ġ m r o Ġ d Ġan d Ġt o l e a s Ġ " o u Ġt h c t l y o
        m en t Ġ e Ġ h Ġ re u s Ġ n Ġ l Ġo r o l e t o t is t i v c h i l u t Ġth at u n Ġb e s t Ġ
        is at ion i d Ġ g c e Ġf or i m e l o w Ġs t r a er s Ġw h Ġa s Ġo n u r c i e m i r Ġ ( Ġc
        on Ġ it Ġp ro it h i g Ġw ith Ġb y u l o s at e v er he r a d Ġ T t er a v a m a p Ġ A Ġs o
        o p Ġe x Ġw or Ġn ot Ġd e a b es s g e Ġs u e ct it y Ġc om q u re s an d i f Ġa l u m iv e
        ic al Ġ S is m es t o d Ġ v Ġ . a in a y l d ar ch t h Ġ r Ġ un a c a k Ġ C an t ar t i b ro
        m s e Ġ I Ġwor k " ; p p Ġ us il l Ġa re Ġw as i es ou r Ġf rom o re ic h m ent ci al as s
        Ġh av Ġ 1 p l u al u re Ġ B ou s ou ld t he Ġ M ig h Ġa t i an Ġs e Ġs h al l Ġc l er t Ġn e
        us t or t ou n . " o c en d Ġ he ion s Ġc h ist s Ġwh ich r u a ct p e at ed c on a g it al
        Ġ [ i k Ġthe ir Ġa r ar d Ġ le ' s d u ĠT he Ġc an ap ital igh t u p t her id e Ġp art d er
        Ġan arch o g om e o v Ġ P l ow Ġwh o Ġ R Ġth is v ol i p ut ion i al Ġp l Ġin d Ġw e en ce
        im p ar y res s Ġit s Ġ y in e Ġcon t Ġin t u d Ġd is Ġm e an s Ġc apital i re Ġa ct Ġm an
        re e Ġre s Ġthe y Ġ W p t os e ac k Ġa b Ġhav e ab le Ġcom m on g a ge Ġp e Ġal l as t Ġd o
        Ġcom p o st it ion Ġw ill f f Ġo ther Ġon e ow er Ġw ould Ġ E at es Ġ F el l Ġ k ĠT h Ġ L Ġ
        en c c i a w n Ġso cial Ġw he T he m s ation s Ġg o er e is h le ct Ġst ate Ġp r g h Ġa g on
        e i z c l Ġs y ĠI n vol ution ul t Ġa d ar k Ġh is Ġ H i e r y Ġ j a ce g an a re Ġpro du
        con om ou t ic e s o Ġcl ass Ġs p i le f or am e Ġb ut Ġ imp or y Ġp ower ic t Ġan y op le
        Ġp ol Ġ N Ġus ed Ġ ro Ġ U Ġ1 9 em ent at ing ) . Ġcon s Ġre l an ce Ġw ere u e Ġpe ople el f
        ĠS t m er ct ion p er Ġwork ers ter n in d b l w e Ġor gan Ġe conom ak e Ġh as ik e Ġint o
        Ġg en it e Ġ G o k a us ig n Ġp er i ous Ġ qu ra d Ġo ut f er in t Ġs ome Ġhav ing Ġa pp Ġbe
        c Ġm ore an g c es st em as e Ġ up Ġ O is e Ġth an s he Ġg ro Ġc o iv id Ġar g ver y Ġ - et
        y a il d s oun t ert y j ect os s v el Ġin ter r it Ġn o im e Ġt r Ġpro p Ġp re e p Ġsy stem
        ol og re n at er ĠTh is Ġso ci a ch Ġh ad Ġb et al ly m an ro p Ġo wn i ed Ġp o Ġ D Ġ ide er
        v ivid ual or s Ġon ly o od ĠA s Ġm ark c y ual ly Ġc re c ess Ġsu ch at ive b er Ġs m a w
        it ed Ġe v Ġo ver Ġf e Ġre volution Ġsu b un d Ġc ol h ip Ġ 2 Ġsoci ety Ġthe m en s ul ar
        Ġex p Ġun der c re t e c k Ġ- - Ġwhe n ib le Ġsu pp ot h Ġfor m ab our p le Ġf act Ġp ers
        Ġanarch ists for m she v ĠA n r al ar ian ĠU n Ġind ividual c ed Ġo b ing s Ġc ent us s is
        ed Ġa ut Ġst r ect ion ol shev Ġb as aus e h y Ġa cc Ġat t Ġb l ra ct pl o ver n g g Ġde f
        Ġthe re ĠB olshev we en Ġs pe Ġin st om et Ġre g Ġe m oun d Ġm ov Ġbe ing Ġr ight t s is
        ation Ġl abour he d Ġag ain Ġbet ween Ġ if Ġl ar f ul u gh h ing Ġme ans mer ic Ġre p at her
        ad e Ġpol it Ġo pp Ġde c Ġ ra l l or d ow n ic s Ġd em e x Ġcapital ism Ġst ru Ġsm all i ly
        Ġd if Ġf ir Ġd es al ity ical ly Ġus e ur n f t Ġmark et ĠBolshev ik Ġwork ing . , ent s ĠA
        meric Ġbe en Ġt w r i Ġas s b le Ġ K er al h or Ġpers on Ġcomm un Ġt ime Ġf l ou gh Ġl ib f
        l Ġf ree re at o b Ġgo vern il d ĠI t p h f ic os ition vel op Ġ her Ġanarch ist Ġpart y Ġy
        ou Ġwh at Ġne w it ies ic k Ġch ar Ġth ose Ġs omet Ġprop erty e ar Ġf low r on o ok Ġd ist
        or k om m re ed en in d e r ib an ge Ġne ed Ġm ost f ore Ġagain st ay s Ġ J Ġe qu it s Ġa c
        Ġal so oc k cial ly ĠC it ol d Ġd ire n er f ter es pe Ġde velop Ġthe se Ġt er m in w ard
        Ġpro v r ic Ġn at at ic Ġarg u ation al ĠR e espe cially Ġb r Ġe ff v es iv es e y Ġtw o in
        k Ġs ur ro ugh Ġl ong Ġlar ge Ġeconom ic ĠUn ited n ess ĠSt ates Ġgovern ment ag es is s Ġex
        am Ġdis c Ġdo es i et u ch Ġm ust is ing Ġl ike Ġm em ur ing t en Ġm ade Ġs ection ĠL enin
        Ġdif fer Ġex t er n Ġpo int ant s Ġman y le t ce pt Ġ ' Ġwith out l es act er Ġm ake Ġc ould
        if ic Ġre c on s Ġre m Ġcapital ist Ġsupp ort if e i er n ot u c Ġs l ĠM ar il ity s h Ġs c
        olog y Ġ end Ġthe n Ġgro up e w Ġaut hor id er Ġsh ould Ġs elf it t and s Ġpolit ical Ġw ell
        Ġbec ause Ġcont ro p r Ġinter est Ġ im Ġa m Ġj ust iv en Ġe lect l ess Ġle ad res ent Ġs ame
        Ġc or ur al p ect Ġt e cl ud ot her u bl Ġpart ic Ġdire ct Ġtr ans v e he s iz ed plo y reed
        om Ġres ult a ir Ġsomet hing ak ing Ġor der Ġp oss Ġab out Ġk n ĠMar x Ġs erv k y ĠAn arch
        Ġmov ement h is e ver Ġd id 1 8 Ġth rough al s Ġv al Ġin s Ġcent ral ĠC h Ġ ent or th Ġide
        as Ġc ar Ġchar acter Ġexam ple Ġpro f Ġl and ra m od y l ed Ġb u Ġwith in Ġfir st is ion Ġ 3
        u res Ġa fter 1 9 Ġw ar so ci ert arian Ġse e Ġpro cess Ġm ass Ġh ow Ġcon f an k Ġanarch ism
        a im Ġv ar os ed el ves Ġpr iv ro w 0 0 Ġs imp Ġin cre Ġl aw Ġs ou o ver Ġc our Ġflow ers Ġn
        um Ġbas ed Ġf ol ra cy Ġprodu ction Ġd et Ġc ount um ent Ġind ust Ġe very Ġgen us Ġcontro l
        Ġcons ider en se Ġe l Ġp p re d Ġw ay Ġ very Ġh um Ġev en Ġm od ubl ic Ġm et ĠE n Ġl ife
        Ġwor ds or n Ġwhe re Ġre f al th Ġin v ress ion Ġin c g et Ġm a Ġgo od Ġf reedom Ġwh ile Ġus
        ually Ġas soci h n ist ing Ġm on a e ment s Ġo cc Ġpro t Ġm in le ar re ad ire d Ġstru gg Ġe
        ar Ġcon d Ġo ur ut e Ġorgan isation p ro ist ic ĠS o ms elves Ġact ion Ġre qu Ġad v Ġthe
        mselves Ġf un Ġimp ort Ġle av at h in s ĠC omm â Ģ v ed Ġt ra g l ert ain u b Ġs ol Ġre al
        Ġcan not Ġdisc uss n d Ġr ather Ġf am Ġm ain id ent Ġargu ed Ġsh ow er ation y s Ġd uring
        Ġof f Ġb oth at ors Ġm ay un in Ġeff ect Ġman ner Ġh im m ed Ġdem oc p en Ġde p Ġrel ating
        Ġs et al e b ers Ġin fl Ġcomm on Ġcol lect in ation Ġan other il it i x Ġp osition Ġh igh st
        r t ain Ġl oc ĠR uss ov e Ġprodu ct Ġdiffer ent iv ity Ġp ur ak unin v ious Ġp op Ġfol low
        in ess Ġthe ory i ent w h Ġcl aim Ġad d Ġv ol el s m e Ġbe l ĠP ro k in ic es Ġb ack ĠRe
        volution Ġt rad iv ing i qu ul l Ġpro ble or ity Ġb ody Ġn ame ro und ĠAmeric an or m Ġa w g
        en ĠBolshevik s Ġspe ci Ġg re in ci ress ed Ġc all c ent ent ion an e it ions Ġbe fore im es
        t y Ġc ur Ġp ut in al Ġof ten Ġnat ure Ġsimp ly Ġy our in ed w ork Ġpl ay in es u ro Ġcon st
        Ġm at Ġd ict Ġe ach Ġin clud Ġother s Ġp ack O p o f Ġp ract Ġf ound he n Ġd om Ġh ist Ġh
        ard ĠW h h on n ing ) ; Ġhum an ate ly ĠB akunin Ġc r ir on l ike ĠAmeric a Ġcour se i um t
        ing s y Ġan t ain s Ġstrugg le en e Ġc ap Ġt ake ĠF or Ġy ear Ġle g ang u e c Ġma j Ġg iven
        le g b s one y a x ow ever Ġb o Ġpr inci on d Ġex pl ul ation av e Ġits elf Ġs er is hed
        Ġbec ome , " Ġ ed Ġs he iz e Ġc he Ġpl ace Ġqu est Ġd own ent ial im il Ġpro g T his I n ir
        c Ġstru ct t o ro ts Ġal low ier arch Ġ 4 Ġf ail p ar " - Ġs ay am ent e b c ing Ġe as Ġt
        urn rots ky ĠTh us ) , an arch Ġwor ld Ġgro w w ays Ġp ass ators hip p or Ġa ff Ġch ild Ġgen
        eral es tern iv er Ġ1 8 Ġin vol Ġsome one imil ar n e i or c om Ġd r ak hn ag ement Ġg l iv
        il Ġg r g ed Ġm ed el low Ġne cess Ġ V Ġb ro in ce Ġh and Ġleav es Ġm uch ac ed Ġm us ro s
        Ġem ploy Ġw ater uro pe Ġc aus Ġr ul i el Ġb us s u Ġc lear Ġm y Ġf ar Ġres p Ġpol ic Ġt y
        it her Ġwh ite Ġpartic ular Ġpriv ate r atic Ġm oney Ġfe w Ġch ange Ġimport ant Ġm ilit Ġex
        ist ar i ĠM akhn Ġse ver ak es Ġmem bers ĠComm un Ġh ierarch Ġen s Ġfor ce ĠN orth ĠO p Ġl
        ess r ies Ġrel ations Ġ especially t ic ud hon Ġg et ĠIn d c apital hy s i od Ġw rit con d
        Ġcomp an Ġc ase Ġg reat ĠT rotsky Ġrevolution ary ot ed Ġp ar form ation ĠS p o ol t ed Ġst
        art ive ly Ġeconom y Ġauthor ity Ġa v Ġvar ious Ġhe ad ĠE urope Ġp ublic Ġ 5 ough t Ġsub
        ject Ġin e ur y Ġ rad Ġc ertain Ġind ic Ġso v ie f Ġsov iet he re Ġdict atorship Ġm ar Ġlib
        ertarian ie w Ġs ign Ġ ign Ġfor ms id es en cy ore d Ġob ject em bl Ġex plo ren t Ġpro let
        ĠI f Ġnum ber as on Ġbe h Ġal ways Ġc irc Ġme an Ġd est ĠPro udhon Ġv i olog ical c o Ġcomp
        le Ġr un Ġn on is es al k Ġp h Ġnot ed Ġc rit Ġfam ily Ġincre as Ġl im Ġindividual s Ġright
        s 1 7 Ġo per ĠH owever Ġf ed Ġocc ur Ġcont in u le itt le Ġkn ow are d Ġinfl u Ġre d Ġper
        iod it u Ġwh ose Ġw age Ġcons isting g re em pt Ġst ud Ġquest ion Ġl ight ent ly Ġgen er Ġpl
        ant pl ace ect ed se e r ial ers hip s p Ġex per a id Ġsh ort Ġsocial ism ĠEn gl Ġc ult en
        ces m y ĠSt ate ut ions l and u ck if y end ed Ġre t Ġk ey Ġp res Ġapp l it arian Ġposs ible
        Ġt re ot e er c Ġinterest s v en Ġc oun Ġcomp et Ġass um Ġup on ch n st and b r pt ion s elf
        Ġst and Ġre du Ġob vious iv ers Ġs our iv ed Ġcre ated ĠA r pl es Ġf il Ġ est Ġan al Ġwh y
        Ġrep resent Ġdemoc racy on t am p Ġwho le g er n t Ġch ang Ġg u ĠThe y Ġconsider ed ou th Ġ
        Y Ġval ue o int ot t Ġt end Ġcont ain Ġbus iness Ġn ow Ġm aking ure d ep end it ive Ġst at
        at or s c Ġm ach Ġl ack og n Ġp resent ater ial Ġt ru Ġv e en n Ġexplo it e ad Ġl angu Ġle
        vel Ġsh ru Ġwe alth at t Ġth ink Ġde v f ace or ies Ġcom b Ġsever al a uc Ġof fic Ġdet er ap
        p Ġinv est l p cc ess Ġ ess Ġdevelop ment ĠH e a f Ġse en Ġre ject l ib it te r ing Ġf in Ġa
        round an ces gg est Ġc ity Ġsub st ĠSo cial Ġ19 2 g y Ġlib erty o is Ġcount ry id ed Ġk e '
        t ro du Ġun ion o ly ari at m m Ġs imilar Ġ" [ Ġo pen is ions Ġc ause Ġe le Ġg ra ĠB rit Ġvi
        ol ex t Ġfor mer as h if ied Ġdist rib k s Ġsu ggest om an Ġl ine Ġy ellow Ġpe as ak en Ġk
        ind Ġcre ate us ually ac es Ġm aterial Ġd ra Ġab ove o ot Ġst ill Ġsocial ist Ġ er Ġp at Ġin
        f Ġre st Ġatt ack Ġnat ural i ence Ġact ivity Ġp hys Ġt ree Ġinst it Ġ 6 Ġb ar Ġcon c Ġf av
        " , Ġp ress ĠRuss ian ab ly ion al Ġto get Ġtoget her Ġide a Ġyear s Ġp ay ĠF r iz ation rop
        ot min ist ropot kin Ġacc ount ou se t c iel d ci ent Ġar t Ġt em Ġre ad Ġarg ument ĠN ew o
        le id ence Ġin formation Ġsu ccess Ġro le Ġcond itions Ġl ittle Ġloc al Ġm en Ġb ook ros s
        ab l Ġs itu ĠW e a ut r ation Ġte chn Ġs ch Ġun ions Ġstr ong Ġbl ood ure auc ĠP art ren ch
        Ġprolet ariat is ations s ur o y o x Ġw ood un t Ġrec ogn a z b e em s ĠS e m at ut ed Ġ âĢ
        ov iet ord ing Ġstruct ure Ġf ore Ġf ru em ploy Ġl ook Ġindust rial g o p re Ġs k Ġbu ild Ġs
        ince Ġv iew Ġf ind ĠW ar Ġto p om en ra g rop ri er man our ge Ġa im Ġf ood Ġt rop Ġare a
        Ġhist ory Ġn or ci ous Ġgroup s op er ut er the y Ġatt empt Ġindust ry Ġmaj ority v ers Ġhe
        lp Ġ 7 Ġb ene nd ical ourge ois Ġb est Ġpl ants N T Ġw ant Ġle ft Ġor ig u g o id Ġh ands
        Ġind epend Ġac cept Ġo ld Ġl iving Ġus ing Ġorgan isations ff ic is on ib ility se qu Ġto
        ward Ġth ings Ġh y Ġan im at ives Ġproble ms ard s Ġtrad e Ġb ureauc Ġd en Ġme as Ġco ver
        ĠAn d Ġe tc Ġbr an an n Ġl ast ag n Ġmass es Ġf ull Ġd ay ra y Ġa ir Ġdem and eb ian A s Ġc
        ivil Ġb ank Ġre ason Ġpract ice ĠC NT Ġme et A n e ed ys is v iron Ġequ al u es Ġs ide Ġmain
        tain om s ir d ru ct ap ed Ġf ile Ġfor ces ar m Ġad minist c le Ġ ` Ġd el Ġrequ ired Ġpack
        age Ġw ages ag ed op e s ol in ing Ġs ing Ġr ule um ents Ġneed s Ġter ms Ġmilit ary Ġne ver
        end ing e e b ard c il Ġp ain Ġth ree Ġe ither us ion Ġres our Ġprodu ced ĠMakhn ov Ġstr ik
        at ure ific ation Ġprog ram Ġc ell Ġl og Ġref lect Ġc ost op s c ur er ous Ġre vol ĠA f Ġ1 0
        Ġdec isions Ġmem ber S he Ġl o Ġspeci fic Ġwork er v ent et s Ġtrop ical Ġw ide viron ment
        Ġs w Ġarg ue Ġprof its Ġb re ar ing Ġaw ay ĠK ropotkin Ġpop ular ĠS oviet Ġcur rent Ġsour ce
        Ġ 8 Ġn et Ġal ong pr ising re ct Ġdes ign Ġcapital ists ther n Ġdis e us ed Ġinst r Ġconc
        ern Ġb ourgeois th ing Ġant i u ous Ġrelations hip Ġlangu age p art h od m ost at s Ġav ail
        Ġfun ction Ġproble m Ġh ig Ġprodu ce Ġauthor itarian Ġnecess ary t r at a er y Ġin it ĠD
        ebian Ġincre ase ar s or ld us e end s fer ence Ġf ace Ġd iv tern ational er ed Ġsch ool as
        es Ġas pect Ġqu ality Ġto o um p H e Ġl ow ĠW ork b y at ter Ġbet ter Ġa ch om es Ġres embl
        ĠF rench S o in ct anarch o ut ure oth bard her n og ra Ġgrow th Ġgood s ore over ĠAnarch
        ism Ġst ates f ree Ġcont ract ĠAf ric as c Ġg ive Ġcall ed Ġdes c Ġam ount v ing ap e
        Ġcommun ity Ġpartic ip Ġunder stand er ing Ġe y Ġinc ome r or Ġb oss Ġbl ack Ġanal ysis Ġach
        ie Ġm ut ort hern Ġprof it Ġtru e T h Ġ ident Ġsur face in a st ad Ġfe el Ġter m i o Ġsomet
        imes
        """#
}
