/// A small SentencePiece vocabulary with byte fallback, and encodings by `sentencepiece` 0.2.3.
///
/// Token 0 is unknown, 1 begin, 2 end, 3 to 258 the bytes; then these pieces, each scored one
/// less than the one before, from 0.
enum SentencePieceGolden {
    static let pieces = #"""
        se in on re er th ▁a lf de self ▁i te al ▁= or ▁c ti ▁self st en ▁th ▁' ▁re ▁o ar ▁n ._
        le tion ▁f ▁# ▁if "" ing ▁the ur ec ): at ▁de tur turn ▁in si nd ▁e ▁_ ▁b me ra ▁t
        ▁return xt ▁is ▁p ▁w ro ▁def ce text im (' ') lo == it ontext ▁no ue imal la ▁s >> Dec
        Decimal mp ▁1 an ▁m () """ ': ther co ad str ', val ction ul one ▁for ▁to ▁d ss ch __
        ror ▁""" ▁and ge ▁- ver ▁of li ri ▁( ▁N ▁Decimal ▁0 ▁not ent ame ise ct is up un um fi
        ▁ra ▁ex ▁" ▁op ▁T ▁an gs value gn string ult ve ▁>> ter ▁>>> pe ==== ▁l ded he ff
        ▁context ▁other od rror Error HA ▁co VE ab ation ate ▁raise lass ▁or ▁None ▁be ▁ar ype
        ten ▁wi ▁+ ▁E ex HAVE ode di ine sign lse ▁== set ## ut get und op us ile ▁__ 10 ▁1, ("
        ▁else ha ly ot ▁A ▁value ▁I int ted sion os ed cal Context ll read rite vi bu ata pre
        ▁with con ▁node ma args ▁arg ▁Ex ▁< mat __( ▁ne nt rom tended ument id )) tendedContext
        ls end ze ▁ExtendedContext Re qu ▁% ')) ▁con ▁di ke ne ▁action il name ** art sed able
        ub other ▁by rue ▁as 00 ▁exp .__ exp ault sult action pp stan ▁g ", ▁ch ▁st ffer sp ser
        init ▁len ▁wh ") ▁F error red meth ▁ans node context ort ▁that write '), size py ▁class
        ta tem ▁ha ▁file method ▁S ▁it In ▁bu None ase ck ▁po ▁name ======== RE ek ▁result cod
        ay lp roup ▁imp round ▁comp ▁option and ator 99 ars IN ▁lo stance ▁> ▁we class ▁argument
        ), ▁* ('1 for comp data tive ▁se ▁oper ▁u cep ▁on ▁from ▁C to ▁pre time ▁get teg tes lif
        -1 ys ▁elif alse version ber lags vert gi ▁2 #### umber low ▁The ▁read tra ▁are par ▁[
        tri ▁set eci help ment type strings -- line ST are per act ▁0: instance ▁y arg ect bj es
        ▁x Return ▁0, all valid ▁type IO eck ▁ma cl ▁isinstance aN rit pos ▁sign ho tr .. ▁tr
        ▁True sition den fix teger ▁O odu .1 inity ▁default am finity ▁excep ▁new ▁format git
        ▁(' ▁V age ▁en alue ▁round ▁P ▁ad ▁par option nan ore ▁-- ▁import len ▁un ▁this buffer
        dex ▁at bject ▁False as if ▁M ▁pos verse ▁line ▁Value ▁j ust ▁sp ▁size qui ▁try key ▁10
        ▁Th als ▁li prec convert ▁method ▁ValueError min .""" ▁number uld ure ble ▁data ow mple
        ▁str SE gh def ound ('0 ▁pro RO dec ind ▁In ppend Oper ▁string Operation ir ol upp visi
        ▁except traverse (): ▁integer fra unk file root 3. ace sub var ener ▁mode ga pro ▁us
        check ('- ▁'- ▁int ceden cedence ▁buffer gits tern zer odule (_ ND from ▁sub ). sh iter
        thon visit ▁This ca ci lose coding ▁object ]) gth coder gative AT ▁If ▁all ▁bytes True
        uple ▁operand raise ▁<= ▁ab ▁so stra ▁group kw mes attr ip flags format default
        ▁position mo fig ▁al dict ▁expon (1 ts ('2 rent ▁can group DE lock [' [0 mal ▁when ld
        space stract lib max ▁help ty ffe append actions ces ▁do 3.10 ▁error OR ple cale ▁use
        ecial ▁r ▁>= ▁start ▁B ark ▁le losed ormal ▁args ▁-1 ▁me ▁visit ie ary ▁raw ▁write
        validOperation ▁W ▁{ '): add ▁used LA ak tribu item unction ME sent ▁text urrent index
        ▁rounding '] ack not ▁R clu ▁end chars hould ▁will ▁arguments TE men put tin ven ▁os
        ated dent tain ▁add ▁one ▁exponent SI ▁+= ▁has ▁U cls com ▁NaN config kwargs mented
        ▁digits ON log ▁ e t n r s i a o l f d c _ u p . ) ( m ' h , g = : " b x y v w E 1 # 0 -
        N > A D T I k S R C O * F P ] H [ L 2 / V M + 3 U z % j B G q < 9 W \ 5 4 6 8 7 Y X K {
        } ` ; |
        """#

    static let texts = [
        "",
        "a",
        "the capital of France is",
        " leading",
        "trailing  ",
        "a  b   c",
        "I'll don't WE'RE 'S",
        "'\u{17F}test",
        "1234567 12 3.14",
        "x12\u{FF13}45\u{661}\u{662}",
        "a\u{D}\u{A}b\u{D}\u{A}\u{D}\u{A}c",
        "\u{9}\u{9}if x:\u{A}\u{9}\u{9}\u{9}return\u{A}",
        "\u{A0}\u{3000}nbsp",
        "e\u{301} n\u{303}",
        "\u{65E5}\u{672C}\u{8A9E} \u{D55C}\u{AD6D}\u{C5B4}",
        "\u{5E9}\u{5DC}\u{5D5}\u{5DD} \u{645}\u{631}\u{62D}\u{628}\u{627}",
        "$100 + 5% = <b>~|^",
        "...!?--",
        "a_b(c)[d]",
        "\u{378}\u{E0001}\u{10FFFF}",
        "\u{2028}\u{85}x",
        "\u{BD}\u{2167}\u{B2}",
        "</s>a<pad>",
        "</s",
        "   \u{A}  \u{A} x",
        "!\u{A}\u{A}!\u{D}\u{A}",
        "na\u{EF}ve caf\u{E9}",
        "'",
        "''s",
        "1'd2",
        "a\u{200B}b\u{FEFF}c",
        " 'Ve",
        "\u{F7CD3}\u{FF98}\u{FF93}\u{FE6A}\u{FFED} ",
        "\u{584F}\u{6A38}\u{1F}I'LLdef\u{E0199}\u{E0149}",
        "...indon't",
        "through\u{25AC}\u{260E}\u{2575}\u{271F}",
        "\u{200B}don't",
        " \u{200B}files.don'tenables",
        "value \u{E2A}\u{E27}\u{E31}\u{E2A}\u{E14}\u{E35}",
        " 'S e\u{301} ",
        "\u{85} \u{A81}\u{9DF}",
        "$100same\u{7F}",
        "\u{209F}\u{2113}=$100 'Ve",
        "\u{1F44D}\u{1F3FD}\u{1F44D}\u{1F3FD}\u{111D}",
        "'\u{FFDA}\u{FE0D}a_bdef...   're=",
        " 'd",
        " \"y%",
        "(so\u{1C}3456789!?\u{D73}\u{727}\u{712} '\u{17F}",
        "\u{FEFF}\u{200AE} 'd\u{2019}s   of\u{43E}\u{5AD}",
        "\u{FF11}\u{FF12}\u{FF13}\u{FF14} option '",
        "\u{BD}r're 'unicodebigunmarked'",
        "\u{1C} <|im_start|> '='",
        "\u{B}but  \u{2387}  're",
        "don't ",
        "\u{1D7A6}\u{1D68A}LATINnot're\u{210A}\u{18}\u{F}''\u{B}",
        "\u{4E0}\u{2019}s\u{2167} >>>",
        "  \"<\"\u{349}",
        "frame_exc:",
        "'t\u{1093B}\u{10D7A}\u{104F8}\u{10A0C}'Ve *",
        "don't \u{200D}--> this= ",
        "  $100",
        " usage$100distutils.spawn ",
        " 'def F*",
        "\u{20B1}\u{2118}Jdon't\u{110C}\u{119E}' s",
        "' s<|im_start|>0x6A\u{B2} 'dto12",
        "\u{2056}\u{2065} ",
        "andclass\u{C}def!?-15**d5 ",
        "''=",
        "\u{645}\u{631}\u{62D}\u{628}\u{627}\u{B}",
        "_config_vars 'S 'd",
        " <|im_start|>' s't\u{7A73}",
        " ''OTOH,\u{7267}\u{E006}",
        " ''",
        "has\u{1F}\u{A}\u{A}'RE't",
        "0x00cc:'S+=\u{200B}>snF",
        "0x003b:",
        "e!? 'tEIGHT\u{E006}\u{E003}\u{D}\u{A}LETTER",
        "return\u{D55C}\u{AD6D}\u{C5B4}'_home','ll\u{E01B5}",
        "in\\\u{AFA0}",
        "0x008a:",
        "'Ve`[fn",
        "d1K:e\u{D55C}\u{AD6D}\u{C5B4}",
        "\u{200B}  'S<|endoftext|>'\u{17F}",
        "\u{C0AE}\u{CFCF}~:\u{7F}unittest",
        "'ll{}{}{}'.format(fromfile,",
        "\u{E0137}<|endoftext|> ",
        "\u{111E}\u{11C9}T=initialize",
        "support ",
        "self._server_hostname)Ydon't",
        "\u{30D6}\u{30B8}\u{302E}\u{30B1}\u{305E}\u{3099}\u{9}\u{1F}\u{1D}\u{16}",
        " \u{200B}\u{A}\u{A} te[S",
        "$100'this",
        " yaK \u{E010B}\u{2019}sG\u{6DF40}object#",
        "RIGHT   \u{CEA7}\u{BCF9}\u{B48C}\u{D5D9}",
        " pow(10,\u{A0} x's\u{233C}\u{2388} ",
        " LATIN[|I)  ",
        "w$WTi<|im_end|>",
        "libraries, \u{200D}",
        "\u{85}BOX' s",
        " self._stopped_serving:=.)q\u{30E} ",
        "3\"Next\") ",
        "<|im_S_",
        "''0:\u{D55C}\u{AD6D}\u{C5B4}()=",
        "a_b12\u{360}f\u{D456}\u{3E0E}\u{4810}\u{A1A0}",
        "=\u{3AEDB}\u{F3255}<|im_end|>\u{A0} ",
        "handle_write(self):7b  ==",
        "\u{32F}self._snapshot\u{2399}\u{2208}'d   ",
        "saves$100\u{65E5}\u{672C}\u{8A9E}",
        "'llexpY 'S \u{9}\u{9}\u{661}\u{662}\u{663}",
        "!?\u{3046}  keywordraise",
    ]

    /// One line for each text, with the space prefix.
    static let tokens = """

        265
        293 274 922 930 324 271 362 525 308 918 317 312
        915 852 343 292
        309 308 494 292 915 915
        265 915 306 915 915 274
        448 935 456 352 261 935 917 864 947 935 554 280 959
        280 200 194 270 277
        335 970 975 988 987 989 991 335 970 915 975 662 988
        636 948 970 242 191 150 988 987 220 164 220 165
        265 16 13 942 16 13 16 13 927
        915 12 12 694 636 940 13 12 12 12 262 300 13
        915 197 163 230 131 131 918 942 519
        304 207 132 284 207 134
        915 233 154 168 233 159 175 235 173 161 915 240 152 159 237 184 176 239 153 183
        915 218 172 218 159 218 152 218 160 915 220 136 219 180 219 176 219 171 219 170
        915 39 439 950 420 915 987 978 272 470 942 953 129 999 97
        915 653 931 36 66 623
        265 928 942 933 927 932 968 926 966
        915 208 187 246 163 131 132 247 146 194 194
        915 229 131 171 197 136 943
        915 197 192 229 136 170 197 181
        470 971 920 953 922 983 930 343 953
        470 971 920
        915 915 915 915 13 915 915 13 636
        915 36 13 13 36 16 13
        284 922 198 178 390 274 922 925 198 172
        280
        280 935 920
        335 935 926 970
        265 229 131 142 942 242 190 194 927
        915 280 972 916
        915 246 186 182 150 242 193 155 242 193 150 242 188 173 242 194 176 915
        915 232 164 146 233 171 187 34 957 935 969 969 727 246 163 137 156 246 163 136 140
        915 653 931 733 261 935 917
        279 315 929 726 229 153 175 229 155 145 229 152 184 229 159 162
        915 229 131 142 926 261 935 917
        915 915 229 131 142 749 920 931 926 261 935 418 499 920
        447 915 227 187 173 227 187 170 227 187 180 227 187 173 227 187 151 227 187 184
        915 280 959 304 207 132 915
        915 197 136 915 227 173 132 227 170 162
        915 39 439 950 920 371 130
        915 229 133 162 229 135 150 939 39 439 950 280 972 916
        915 243 162 148 144 243 162 146 192 243 162 148 144 243 162 146 192 228 135 160
        280 242 194 157 242 187 144 922 928 942 727 653 931 915 915 280 262 939
        915 280 926
        915 381 944 978
        365 920 923 31 975 988 987 989 991 990 984 36 66 227 184 182 223 170 223 149 280 200 194
        915 242 190 194 243 163 133 177 280 926 229 131 156 920 915 915 362 211 193 217 176
        915 242 191 148 242 191 149 242 191 150 242 191 151 564 280
        915 197 192 919 935 262 280 376 921 342 267 942 921 938 376 934 851 453 935
        915 31 470 999 319 928 277 497 999 953 280 939 935
        915 14 942 432 915 915 229 145 138 915 280 262
        352 261 935 917 915
        915 243 160 161 169 243 160 157 141 969 790 569 882 935 262 229 135 141 27 18 935 935 14
        915 214 163 229 131 156 920 229 136 170 393
        915 915 381 983 941 208 140
        288 308 307 928 422 927 940
        280 917 243 147 167 190 243 147 184 189 243 147 150 187 243 147 171 143 935 972 916 577
        352 261 935 917 915 229 131 144 623 953 687 939 915
        915 915 915 39 439 950
        915 759 673 39 439 950 425 277 929 275 481 931 519 922 946 918 915
        915 280 727 525 963
        915 229 133 180 229 135 155 77 926 261 935 917 228 135 143 228 137 161 935 330
        280 330 983 999 319 928 277 497 999 953 950 943 989 954 197 181 280 926 590 948 970
        915 229 132 153 229 132 168 915
        358 574 15 727 36 66 597 987 496 926 987 915
        280 935 939
        915 220 136 219 180 219 176 219 171 219 170 14
        305 909 928 945 568 280 959 280 926
        915 470 999 319 928 277 497 999 953 935 330 935 917 234 172 182
        915 280 935 962 956 962 967 937 234 140 170 241 131 137
        915 280 935
        904 34 13 13 935 554 935 917
        368 943 505 927 927 940 935 959 974 939 229 131 142 953 920 918 964
        368 943 505 975 942 940
        304 36 66 280 917 947 957 981 967 956 241 131 137 241 131 134 16 13 969 947 956 890 960
        310 240 152 159 237 184 176 239 153 183 935 928 651 307 345 935 456 246 163 137 184
        301 986 237 193 163
        368 943 505 990 922 940
        280 972 916 997 968 925 918
        352 948 994 940 916 240 152 159 237 184 176 239 153 183
        915 229 131 142 915 280 959 983 999 482 923 925 318 999 953 935 200 194
        915 239 133 177 239 194 146 129 940 130 376 324 270 277
        280 456 995 996 995 996 995 996 935 931 808 933 773 749 937
        915 246 163 135 186 983 999 482 923 925 318 999 953 915
        915 228 135 161 228 138 140 956 939 260 921 275 271 921 483
        330 741 532 915
        276 285 520 361 928 651 277 495 932 992 926 261 935 917
        915 230 134 153 230 133 187 230 131 177 230 133 180 230 132 161 230 133 156 12 34 32 25
        915 915 229 131 142 13 13 915 270 968 959
        915 39 439 950 935 264 374
        915 631 922 994 915 246 163 135 142 229 131 156 920 981 244 176 192 131 923 691 949
        883 957 981 967 956 915 915 915 239 189 170 238 182 188 238 149 143 240 154 156
        915 551 946 933 439 937 197 163 636 935 920 229 143 191 229 145 139 915
        915 915 969 790 569 968 999 957 932 915 915
        314 39 985 956 921 983 999 319 928 482 999 953
        710 942 919 283 921 635 937 915 229 131 144
        915 197 136 980 962 993 935 330
        915 276 285 277 435 394 926 928 520 945 292 940 939 931 932 982 207 145 915
        915 975 941 952 916 311 524 915
        470 999 319 928 959 928
        280 935 950 940 240 152 159 237 184 176 239 153 183 338 939
        265 928 942 948 970 208 163 925 240 148 153 230 187 145 231 163 147 237 137 163
        272 243 189 190 158 246 182 140 152 983 999 319 928 482 999 953 197 163 915
        541 303 286 928 534 933 268 296 991 942 915 429
        915 207 178 268 285 920 918 922 930 776 445 229 145 156 229 139 139 935 926 915 915 915
        330 922 390 920 39 439 950 233 154 168 233 159 175 235 173 161
        280 924 286 943 930 992 280 959 915 12 12 220 164 220 165 220 166
        915 36 66 230 132 137 915 915 706 946 273 926 797
        """
}
